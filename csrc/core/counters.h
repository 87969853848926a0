// Counters of an engine: relaxed atomics, written by workers, read by stats(). Each is exact; a
// snapshot is not a cut through all of them at one instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "core/clock.h"

namespace safeasr::core {

// Durations in power-of-two buckets of microseconds: bucket i counts durations under 2^i us.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 32;

  void Add(Duration duration) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    std::size_t bucket = 0;
    while (bucket + 1 < kBuckets && (std::int64_t{1} << bucket) <= us) ++bucket;
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    total_us_.fetch_add(us > 0 ? us : 0, std::memory_order_relaxed);
  }

  using Counts = std::array<std::uint64_t, kBuckets>;

  // Adds what was counted so far to `sum`.
  void AddTo(Counts* sum) const {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      (*sum)[i] += buckets_[i].load(std::memory_order_relaxed);
    }
  }

  double TotalSeconds() const {
    return static_cast<double>(total_us_.load(std::memory_order_relaxed)) * 1e-6;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::int64_t> total_us_{0};
};

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

  // Requests that were accepted and have no answer yet, about.
  std::int64_t Unfinished() const {
    const auto load = [](const std::atomic<std::uint64_t>& counter) {
      return static_cast<std::int64_t>(counter.load(std::memory_order_relaxed));
    };
    return load(submitted) - load(completed) - load(failed) - load(cancelled) - load(expired);
  }
};

}  // namespace safeasr::core
