// Meter: when the requests of one piece of work, such as a recording, waited and ran. Workers write
// it, before the requests are answered; anybody may read it at any time.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/clock.h"

namespace safeasr::core {

class Meter {
 public:
  // A request that arrived then begins to run.
  void Waited(TimePoint arrival, TimePoint start) noexcept {
    waited_.fetch_add((start - arrival).count(), std::memory_order_relaxed);
    Lower(arrival_, arrival.time_since_epoch().count());
    Lower(start_, start.time_since_epoch().count());
    requests_.fetch_add(1, std::memory_order_release);
  }

  // A batch with one of the requests in it has run.
  void Ran(TimePoint start, TimePoint end) noexcept {
    ran_.fetch_add((end - start).count(), std::memory_order_relaxed);
    Raise(end_, end.time_since_epoch().count());
  }

  struct Reading {
    std::uint64_t requests = 0;    // that have begun; with none, nothing else holds
    Duration waited{0};            // all of them together, each until its first batch
    Duration ran{0};               // all batches that they were in together
    TimePoint arrival{}, start{};  // the first of them
    TimePoint end{};               // the last batch's; before `start` as long as none has ended
  };

  Reading Read() const noexcept {
    const auto at = [](const std::atomic<Ticks>& ticks) {
      return TimePoint(Duration(ticks.load(std::memory_order_relaxed)));
    };
    Reading reading;
    reading.requests = requests_.load(std::memory_order_acquire);
    reading.waited = Duration(waited_.load(std::memory_order_relaxed));
    reading.ran = Duration(ran_.load(std::memory_order_relaxed));
    reading.arrival = at(arrival_);
    reading.start = at(start_);
    reading.end = at(end_);
    return reading;
  }

 private:
  using Ticks = Duration::rep;

  static void Lower(std::atomic<Ticks>& least, Ticks value) noexcept {
    Ticks now = least.load(std::memory_order_relaxed);
    while (value < now && !least.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
    }
  }
  static void Raise(std::atomic<Ticks>& most, Ticks value) noexcept {
    Ticks now = most.load(std::memory_order_relaxed);
    while (value > now && !most.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
    }
  }

  std::atomic<std::uint64_t> requests_{0};
  std::atomic<Ticks> waited_{0};
  std::atomic<Ticks> ran_{0};
  std::atomic<Ticks> arrival_{TimePoint::max().time_since_epoch().count()};
  std::atomic<Ticks> start_{TimePoint::max().time_since_epoch().count()};
  std::atomic<Ticks> end_{TimePoint::min().time_since_epoch().count()};
};

}  // namespace safeasr::core
