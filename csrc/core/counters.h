// Counters of an engine: relaxed atomics, written by workers, read by stats(). Each is exact; a
// snapshot is not a cut through all of them at one instant.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/duration_histogram.h"

namespace safeasr::core {

inline void Count(std::atomic<std::uint64_t>& counter, std::uint64_t n = 1) noexcept {
  counter.fetch_add(n, std::memory_order_relaxed);
}

struct Counters {
  std::atomic<std::uint64_t> submitted{0};
  std::atomic<std::uint64_t> completed{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> cancelled{0};
  std::atomic<std::uint64_t> expired{0};
  std::atomic<std::uint64_t> rejected{0};  // queue full or closed
  std::atomic<std::uint64_t> moved{0};     // given to another engine; counted as submitted there
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> batched_requests{0};
  std::atomic<std::uint64_t> batch_length{0};   // sum of lengths that were run
  std::atomic<std::uint64_t> batch_cost{0};     // sum of count x longest: the rest is padding
  std::atomic<std::uint64_t> retried_alone{0};  // requests run again alone after their batch threw
  std::atomic<std::uint64_t> halved{0};         // batches that did not fit the memory
  std::atomic<std::uint64_t> continued{0};      // times an unfinished request was put back
  DurationHistogram queue_time;                 // from submit to the start of its first batch
  DurationHistogram run_time;                   // of a batch
  DurationHistogram live_queue_time;            // the same of live work alone: what has a priority
  DurationHistogram live_run_time;

  // Requests that were accepted and have no answer yet, about.
  std::int64_t Unfinished() const {
    const auto load = [](const std::atomic<std::uint64_t>& counter) {
      return static_cast<std::int64_t>(counter.load(std::memory_order_relaxed));
    };
    return load(submitted) - load(completed) - load(failed) - load(cancelled) - load(expired);
  }
};

}  // namespace safeasr::core
