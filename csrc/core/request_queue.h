// The bounded queue between callers and workers: the lock-free ring, parking on both sides,
// closing.
//
// Ownership: a push that returns kOk has taken the item; any other result leaves it with the
// caller. After Close() no push succeeds, and everything pushed before stays poppable until
// Drained().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/mpmc_ring.h"
#include "core/parking.h"

namespace safeasr::core {

enum class PushResult { kOk, kFull, kClosed };

template <class T>
class RequestQueue {
 public:
  // Holds at most `capacity` items (exactly; the ring below may be larger).
  explicit RequestQueue(std::size_t capacity) : limit_(capacity), ring_(capacity) {}

  PushResult TryPush(T& item) {
    // Asked first without touching the gate: callers that keep trying after Close() must not keep
    // Sealed() from becoming true.
    if (closed()) return PushResult::kClosed;
    const Admission admission(gate_);
    if (!admission.open()) return PushResult::kClosed;
    if (!Reserve()) return PushResult::kFull;
    // A place is reserved, and the ring has at least `limit_` cells; yet the cell at the tail can
    // still be leaving the hands of a consumer that claimed it and was preempted: let it run.
    while (!ring_.TryPush(item)) std::this_thread::yield();
    not_empty_.WakeOne();
    return PushResult::kOk;
  }

  // Waits for room until the deadline. kFull means the deadline passed first.
  PushResult PushUntil(T& item, TimePoint deadline) {
    for (;;) {
      PushResult result = TryPush(item);
      if (result != PushResult::kFull) return result;
      const auto key = not_full_.Prepare();
      result = TryPush(item);
      if (result != PushResult::kFull || (deadline != kNever && Clock::now() >= deadline)) {
        not_full_.Cancel();
        return result;
      }
      not_full_.WaitUntil(key, deadline);
    }
  }

  bool TryPop(T& item) {
    if (!ring_.TryPop(item)) return false;
    size_.fetch_sub(1, std::memory_order_acq_rel);
    not_full_.WakeOne();
    return true;
  }

  // Stops new pushes and wakes everyone who waits. Idempotent.
  void Close() {
    gate_.fetch_or(kClosedBit, std::memory_order_acq_rel);
    not_full_.WakeAll();
    not_empty_.WakeAll();
  }

  bool closed() const { return (gate_.load(std::memory_order_acquire) & kClosedBit) != 0; }

  // Closed, and no push is under way any more: once this holds, a failed TryPop means empty for
  // good.
  bool Sealed() const { return gate_.load(std::memory_order_acquire) == kClosedBit; }

  std::size_t SizeApprox() const { return size_.load(std::memory_order_relaxed); }
  std::size_t capacity() const { return limit_; }

  // For consumers that have more to look at than this queue: park on it, and be woken.
  ParkingSpot& not_empty() { return not_empty_; }

 private:
  static constexpr std::uint64_t kClosedBit = 1;
  static constexpr std::uint64_t kPusher = 2;

  // Never counts a place it does not get, not even for a moment: another pusher that took such a
  // count for a full queue would park with no pop left to wake it.
  bool Reserve() {
    std::size_t size = size_.load(std::memory_order_acquire);
    do {
      if (size >= limit_) return false;
    } while (!size_.compare_exchange_weak(size, size + 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
    return true;
  }

  // Counts a push as under way while it looks at the closed bit and pushes, so that Sealed() can
  // tell "closed" from "closed, but one more item is coming".
  class Admission {
   public:
    explicit Admission(std::atomic<std::uint64_t>& gate)
        : gate_(gate),
          open_((gate.fetch_add(kPusher, std::memory_order_acq_rel) & kClosedBit) == 0) {}
    ~Admission() { gate_.fetch_sub(kPusher, std::memory_order_acq_rel); }
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;
    bool open() const { return open_; }

   private:
    std::atomic<std::uint64_t>& gate_;
    const bool open_;
  };

  const std::size_t limit_;
  MpmcRing<T> ring_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> gate_{0};
  ParkingSpot not_empty_;
  ParkingSpot not_full_;
};

}  // namespace safeasr::core
