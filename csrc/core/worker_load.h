// WorkerLoad: how busy the workers of an engine are, for those who share a machine with them.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>

#include "core/clock.h"

namespace safeasr::core {

// How many of an engine's workers run a batch, and ran one lately.
//
// Who was idle for a moment is not out of work: batches that take each other's cores between two
// arrivals finish later, both. So what counts is the most that were busy at once not long ago.
class WorkerLoad {
 public:
  static constexpr Duration kRemembered = std::chrono::milliseconds(200);

  explicit WorkerLoad(std::size_t workers) : workers_(workers) {}
  WorkerLoad(const WorkerLoad&) = delete;
  WorkerLoad& operator=(const WorkerLoad&) = delete;

  std::size_t workers() const { return workers_; }
  std::size_t busy() const { return busy_.load(); }
  // Of a machine that the workers share in equal parts, how many parts each busy one may use.
  std::size_t Share(TimePoint now = Clock::now()) const {
    std::size_t most = std::max<std::size_t>(busy(), 1);
    if (now.time_since_epoch().count() < remembered_until_.load()) {
      most = std::max(most, peak_.load());
    }
    return most >= workers_ ? 1 : workers_ / most;
  }

  // Counts a worker as busy for a scope.
  class Busy {
   public:
    explicit Busy(WorkerLoad& load) : load_(load) {
      load_.busy_.fetch_add(1);
      load_.Remember(Clock::now());
    }
    ~Busy() {
      load_.Remember(Clock::now());
      load_.busy_.fetch_sub(1);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    WorkerLoad& load_;
  };

 private:
  // Two workers may forget each other's peak here: it costs a batch some cores for a moment.
  void Remember(TimePoint now) {
    const std::size_t busy_now = busy();
    const Duration::rep count = now.time_since_epoch().count();
    if (busy_now < peak_.load() && count < remembered_until_.load()) return;
    peak_.store(busy_now);
    remembered_until_.store(busy_now > 1 ? count + kRemembered.count() : 0);
  }

  const std::size_t workers_;
  std::atomic<std::size_t> busy_{0}, peak_{0};
  std::atomic<Duration::rep> remembered_until_{0};
};

}  // namespace safeasr::core
