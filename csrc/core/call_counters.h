// CallCounters: what became of the calls of a model, and how long they and their stages outside of
// the engine took.
//
// As in Counters, each number is exact and costs some nanoseconds. Only errors by their names have
// a lock: they are rare, and nothing waits while it is held.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/clock.h"
#include "core/duration_histogram.h"

namespace safeasr::core {

// How often each error came, by the name of its class.
class ErrorCounts {
 public:
  // Without memory for a new name the error is not counted.
  void Add(const char* name) noexcept;
  std::map<std::string, std::uint64_t> Read() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

enum class CallOutcome { kAnswered, kFailed, kCancelled };

// Whoever reads `begun` last never finds more ended than begun.
struct OutcomeCounts {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> cancelled{0};
  DurationHistogram time;  // from the beginning to the end, whatever it was

  void Begin() noexcept { begun.fetch_add(1, std::memory_order_relaxed); }
  // Each that has begun ends once: that is the caller's to see to.
  void End(CallOutcome outcome, Duration taken) noexcept;
};

struct CallCounters {
  OutcomeCounts calls;
  OutcomeCounts chunks;      // of live streams
  DurationHistogram decode;  // of an input: reading, decoding, resampling
  DurationHistogram text;    // of an input: from numbers to its result
  DurationHistogram turn;    // of a chunk: until those before it in its stream are done
  ErrorCounts errors;
  std::atomic<std::int64_t> audio_in_us{0};   // that was read
  std::atomic<std::int64_t> audio_out_us{0};  // whose results were taken
  std::atomic<std::int64_t> streams_open{0};
  std::atomic<std::uint64_t> streams_opened{0};

  // The counts of a forked child are a snapshot of its parent's, its locks perhaps held.
  bool forked() const { return getpid() != owner_pid; }
  const int owner_pid = getpid();
};

// A live stream that is open, for as long as this lives.
class OpenStream {
 public:
  explicit OpenStream(std::shared_ptr<CallCounters> counters);
  ~OpenStream();
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 private:
  const std::shared_ptr<CallCounters> counters_;
};

}  // namespace safeasr::core
