// BatchStop: whether a batch that runs is still wanted by anybody. Cheap enough to be asked between
// the layers of a network.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>

#include "core/clock.h"
#include "core/errors.h"
#include "core/request.h"

namespace safeasr::core {

// Why nobody wants the answer of a request any more; none while somebody does. closing: the engine
// fails what it has not done yet. Once there is a reason, there will always be one.
inline std::optional<ErrorKind> WhyUnwanted(const Request& request, bool closing) {
  if (request.ticket->cancel_requested()) return ErrorKind::kCancelled;
  if (request.deadline != kNever && request.deadline <= Clock::now()) {
    return ErrorKind::kDeadlineExceeded;
  }
  if (closing) return ErrorKind::kClosed;
  return std::nullopt;
}

class BatchStop {
 public:
  // Looks at the requests for as long as it lives: they stay where they are.
  BatchStop(const RequestPtr* requests, std::size_t count, const std::atomic<bool>& closing)
      : requests_(requests), count_(count), closing_(closing) {}
  BatchStop(const BatchStop&) = delete;
  BatchStop& operator=(const BatchStop&) = delete;

  // All of the batch's requests are unwanted. (Where only some are, the batch goes on.) A live
  // chunk that has begun is not stopped for its deadline: whoever gave up waiting for it must know
  // that the stream has heard it.
  bool ShouldStop() const {
    const bool closing = closing_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count_; ++i) {
      const Request& request = *requests_[i];
      const auto why = WhyUnwanted(request, closing);
      if (!why || (request.of_lane && why == ErrorKind::kDeadlineExceeded)) return false;
    }
    return true;
  }

  // Throws Error if the batch should stop. It need not tell for which of the reasons: the worker
  // answers each request with its own.
  void ThrowIfStopped() const {
    if (ShouldStop()) throw Error(ErrorKind::kCancelled, "nobody wants the batch any more");
  }

 private:
  const RequestPtr* const requests_;
  const std::size_t count_;
  const std::atomic<bool>& closing_;
};

}  // namespace safeasr::core
