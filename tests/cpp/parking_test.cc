#include "core/parking.h"

#include <vector>

#include "check.h"
#include "support.h"

using namespace safeasr::core;

namespace {

TimePoint InMs(int ms) { return Clock::now() + std::chrono::milliseconds(ms); }

// A counting semaphore made of a ParkingSpot and an atomic: what a queue does with it.
class Semaphore {
 public:
  void Post() {
    count_.fetch_add(1, std::memory_order_relaxed);
    spot_.WakeOne();
  }
  void Wait() {
    for (;;) {
      if (TryTake()) return;
      const auto key = spot_.Prepare();
      if (TryTake()) {
        spot_.Cancel();
        return;
      }
      spot_.WaitUntil(key, kNever);
    }
  }
  bool TryTake() {
    int count = count_.load(std::memory_order_relaxed);
    while (count > 0) {
      if (count_.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  ParkingSpot& spot() { return spot_; }

 private:
  std::atomic<int> count_{0};
  ParkingSpot spot_;
};

}  // namespace

TEST(AWakeBeforePrepareIsNotRemembered) {
  ParkingSpot spot;
  spot.WakeOne();
  spot.WakeAll();
  const TimePoint deadline = InMs(5);
  spot.WaitUntil(spot.Prepare(), deadline);
  CHECK(Clock::now() >= deadline);  // slept to the deadline: nobody woke it
}

TEST(AWakeAfterPrepareIsNotMissed) {
  ParkingSpot spot;
  for (const bool all : {false, true}) {
    const auto key = spot.Prepare();
    all ? spot.WakeAll() : spot.WakeOne();
    spot.WaitUntil(key, kNever);  // would hang if it were
  }
}

TEST(ADeadlineInThePastDoesNotSleep) {
  ParkingSpot spot;
  spot.WaitUntil(spot.Prepare(), Clock::now());
  spot.WaitUntil(spot.Prepare(), TimePoint{});
  spot.WaitUntil(spot.Prepare(), TimePoint::min());
}

TEST(WakeAllWakesEverySleeper) {
  ParkingSpot spot;
  std::atomic<int> prepared{0}, woken{0};
  Threads threads;
  for (int i = 0; i < 8; ++i) {
    threads.Start([&] {
      const auto key = spot.Prepare();
      prepared.fetch_add(1);
      spot.WaitUntil(key, kNever);
      woken.fetch_add(1);
    });
  }
  CHECK(Eventually([&] { return prepared.load() == 8; }));
  spot.WakeAll();
  threads.Join();
  CHECK_EQ(woken.load(), 8);
}

// Each of n wakes must let one more of n sleepers go, whether it sleeps already or is about to.
TEST(AsManyWakesAsSleepersWakeThemAll) {
  for (int round = 0; round < Scaled(300); ++round) {
    ParkingSpot spot;
    std::atomic<int> prepared{0};
    Threads threads;
    for (int i = 0; i < 4; ++i) {
      threads.Start([&] {
        const auto key = spot.Prepare();
        prepared.fetch_add(1);
        spot.WaitUntil(key, kNever);
      });
    }
    while (prepared.load() < 4) std::this_thread::yield();
    for (int i = 0; i < 4; ++i) spot.WakeOne();
  }
}

TEST(PingPongLosesNoWake) {
  Semaphore ping, pong;
  const int rounds = Scaled(20000);
  Together(2, [&](std::size_t thread) {
    for (int i = 0; i < rounds; ++i) {
      if (thread == 0) {
        ping.Post();
        pong.Wait();
      } else {
        ping.Wait();
        pong.Post();
      }
    }
  });
}

// The same with nothing but a plain store before the wake: on x86 a wake that only loaded its
// count of waiters could do so before the store is seen. (With a read-modify-write before it, as
// above, it could not.) The spins bring "about to sleep" and "about to wake" together.
TEST(PingPongOfPlainStoresLosesNoWake) {
  std::atomic<int> ball{0};
  ParkingSpot spots[2];
  const int rounds = Scaled(10000);
  Together(2, [&](std::size_t me) {
    const auto mine = [&](int round) {
      return ball.load(std::memory_order_acquire) == 2 * round + static_cast<int>(me);
    };
    for (int round = 0; round < rounds; ++round) {
      for (int spin = round % 64; spin > 0 && !mine(round); --spin) {
      }
      while (!mine(round)) {
        const auto key = spots[me].Prepare();
        if (mine(round)) {
          spots[me].Cancel();
        } else {
          spots[me].WaitUntil(key, kNever);
        }
      }
      ball.store(2 * round + static_cast<int>(me) + 1, std::memory_order_release);
      spots[1 - me].WakeOne();
    }
  });
}

// A token goes round many threads: a single lost wake stops it for good.
TEST(ATokenGoesRoundManyThreads) {
  constexpr std::size_t kThreads = 16;
  std::vector<Semaphore> ring(kThreads);
  const int laps = Scaled(1500);
  ring[0].Post();
  Together(kThreads, [&](std::size_t i) {
    for (int lap = 0; lap < laps; ++lap) {
      ring[i].Wait();
      ring[(i + 1) % kThreads].Post();
    }
  });
  CHECK(ring[0].TryTake());
}

// Producers and consumers beside one spot; consumers park without a timeout.
TEST(NoPostIsLostAmongManyWaiters) {
  Semaphore semaphore;
  const int each = Scaled(100000);
  Together(12, [&](std::size_t thread) {
    for (int i = 0; i < each; ++i) thread % 2 == 0 ? semaphore.Post() : semaphore.Wait();
  });
  CHECK(!semaphore.TryTake());
}

// Timed waiters that give up all the time must not swallow a wake that another one needs.
TEST(TimeoutsDoNotSwallowWakes) {
  Semaphore semaphore;
  const int each = Scaled(4000);
  std::atomic<bool> stop{false};
  Threads impatient;
  for (int i = 0; i < 3; ++i) {
    impatient.Start([&] {
      while (!stop.load()) {
        const auto key = semaphore.spot().Prepare();
        semaphore.spot().WaitUntil(key, Clock::now() + std::chrono::microseconds(50));
        // It may have been the one that was woken: as every user of a spot must, it looks again.
        if (semaphore.TryTake()) semaphore.Post();
      }
    });
  }
  Together(6, [&](std::size_t thread) {
    for (int i = 0; i < each; ++i) {
      thread % 2 == 0 ? semaphore.Post() : semaphore.Wait();
      if (i % 4 == 0) std::this_thread::yield();  // so that waiters do park
    }
  });
  stop.store(true);
  impatient.Join();
  CHECK(!semaphore.TryTake());
}
