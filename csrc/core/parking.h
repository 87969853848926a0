// Parking: how a thread sleeps beside a lock-free structure without missing a wake-up.
//
//   auto key = spot.Prepare();          // announce
//   if (ring.TryPop(item)) { spot.Cancel(); ... }   // look again
//   else spot.WaitUntil(key, deadline); // sleep
//
// and on the other side, after the push: spot.WakeOne().
//
// Why nothing is missed: Prepare and Wake both read-modify-write `waiters_`. If Wake comes second
// in that variable's order it sees the waiter and wakes it. If it comes first, Prepare synchronises
// with it, so the waiter's second look sees the push. When nobody waits, a wake costs one atomic.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/clock.h"

namespace safeasr::core {

class ParkingSpot {
 public:
  using Key = std::uint64_t;

  Key Prepare() {
    waiters_.fetch_add(1, std::memory_order_acq_rel);
    return epoch_.load(std::memory_order_acquire);
  }

  void Cancel() { waiters_.fetch_sub(1, std::memory_order_acq_rel); }

  // Sleeps until a wake that came after Prepare, or the deadline. Ends the announcement.
  void WaitUntil(Key key, TimePoint deadline) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto woken = [&] { return epoch_.load(std::memory_order_acquire) != key; };
      if (deadline == kNever) {
        condition_.wait(lock, woken);
      } else {
        condition_.wait_until(lock, deadline, woken);
      }
    }
    Cancel();
  }

  void WakeOne() { Wake(false); }
  void WakeAll() { Wake(true); }

 private:
  void Wake(bool all) {
    if (waiters_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
    // Notify with the lock held: every thread that sleeps now has an older key. Outside it, a
    // thread that prepared after this wake could sleep first, be the one notified, and sleep on,
    // while the one meant to wake is left.
    all ? condition_.notify_all() : condition_.notify_one();
  }

  std::atomic<std::int64_t> waiters_{0};
  std::atomic<Key> epoch_{0};
  std::mutex mutex_;
  std::condition_variable condition_;
};

}  // namespace safeasr::core
