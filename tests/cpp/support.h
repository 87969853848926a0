// What several tests share: threads that start together, and events to wait for.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/clock.h"

namespace safeasr::core {

// True under ThreadSanitizer, which makes everything several times slower.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kTsan = true;
#else
inline constexpr bool kTsan = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAsan = true;
#else
inline constexpr bool kAsan = false;
#endif

// How much of a piece of work to do: less under TSan.
inline constexpr int Scaled(int n) { return kTsan ? n / 4 + 1 : n; }

// An event that a test waits for with a timeout far longer than it can take: a test fails on it
// instead of hanging.
inline TimePoint Soon() { return Clock::now() + std::chrono::seconds(60); }

// A deadline that is to pass while something runs: on a busy machine, too, it begins before.
inline TimePoint Later() { return Clock::now() + std::chrono::seconds(2); }

// A gate that stays open once opened.
class Event {
 public:
  void Set() {
    std::lock_guard<std::mutex> lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() const {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_until(lock, Soon(), [this] { return set_; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool set_ = false;
};

// Waits for something that has no event of its own.
inline bool Eventually(const std::function<bool()>& condition) {
  const TimePoint end = Soon();
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Threads that are joined at the end of the scope.
class Threads {
 public:
  Threads() = default;
  ~Threads() { Join(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  void Start(std::function<void()> work) { threads_.emplace_back(std::move(work)); }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

// Runs work(0) .. work(n - 1) on n threads that start together, and waits for them.
inline void Together(std::size_t n, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> ready{0};
  Threads threads;
  for (std::size_t i = 0; i < n; ++i) {
    threads.Start([&, i] {
      ready.fetch_add(1);
      while (ready.load() < n) std::this_thread::yield();
      work(i);
    });
  }
}

}  // namespace safeasr::core
