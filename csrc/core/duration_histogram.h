// DurationHistogram: how often something took how long. Relaxed atomics: to add costs some
// nanoseconds, and nobody waits for anybody. Each number is exact; a snapshot is not a cut through
// all of them at one instant.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/clock.h"

namespace safeasr::core {

// Durations in power-of-two buckets of microseconds: bucket i counts durations under 2^i us that
// are in no bucket before it. The last one has all that are longer, too.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 32;

  void Add(Duration duration) noexcept {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    buckets_[BucketOf(us)].fetch_add(1, std::memory_order_relaxed);
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
  // How many bits the number has.
  static std::size_t BucketOf(std::int64_t us) noexcept {
    if (us <= 0) return 0;
    const auto bits =
        static_cast<std::size_t>(64 - __builtin_clzll(static_cast<unsigned long long>(us)));
    return bits < kBuckets ? bits : kBuckets - 1;
  }

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::int64_t> total_us_{0};
};

}  // namespace safeasr::core
