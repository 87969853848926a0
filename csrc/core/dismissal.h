// Dismissal: how requests end that get no result: expired, cancelled, or closed upon. Each is
// counted once, and before its ticket is finished: whoever has its answer must find it in stats().
// Nothing here throws.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/counters.h"
#include "core/errors.h"
#include "core/request.h"

namespace safeasr::core {

class Dismissal {
 public:
  // closing: the engine fails what it has not done yet.
  Dismissal(Counters& counters, const std::atomic<bool>& closing)
      : counters_(counters), closing_(closing) {}

  void Expire(Request& request) noexcept;
  void FailAsClosed(Request& request) noexcept;
  // Frees them, too.
  void FinishCancelled(RequestChain& requests) noexcept;
  void FinishCancelled(Request& request) noexcept;

  // A request that has begun: ends it if nobody wants its answer any more. False: somebody does.
  bool EndIfUnwanted(Request& request) noexcept;
  // The same for several. Those that are wanted come first then; returns how many they are.
  std::size_t EndUnwanted(RequestPtr* requests, std::size_t count) noexcept;

 private:
  // One that was cancelled before it began is counted as that.
  void Fail(Request& request, ErrorKind kind, const char* unstarted, const char* begun,
            std::atomic<std::uint64_t>& counter) noexcept;

  Counters& counters_;
  const std::atomic<bool>& closing_;
};

}  // namespace safeasr::core
