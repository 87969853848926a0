#include "core/request_queue.h"

#include <memory>

#include "check.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using Queue = RequestQueue<std::unique_ptr<int>>;

std::unique_ptr<int> Item(int value = 0) { return std::make_unique<int>(value); }

PushResult Push(Queue& queue, int value = 0) {
  auto item = Item(value);
  const PushResult result = queue.TryPush(item);
  CHECK_EQ(item == nullptr, result == PushResult::kOk);  // taken, or left with the caller
  return result;
}

int Pop(Queue& queue) {
  std::unique_ptr<int> item;
  return queue.TryPop(item) ? *item : -1;
}

}  // namespace

TEST(HoldsExactlyItsCapacity) {
  for (const std::size_t capacity : {1u, 2u, 3u, 5u, 8u, 100u}) {
    Queue queue(capacity);
    CHECK_EQ(queue.capacity(), capacity);
    for (int lap = 0; lap < 3; ++lap) {
      for (std::size_t i = 0; i < capacity; ++i) {
        CHECK_EQ(Push(queue, static_cast<int>(i)), PushResult::kOk);
      }
      CHECK_EQ(Push(queue), PushResult::kFull);
      CHECK_EQ(queue.SizeApprox(), capacity);
      for (std::size_t i = 0; i < capacity; ++i) CHECK_EQ(Pop(queue), static_cast<int>(i));
      CHECK_EQ(Pop(queue), -1);
    }
  }
}

TEST(NeverHoldsMoreThanItsCapacityUnderRacingPushes) {
  for (int round = 0; round < Scaled(200); ++round) {
    Queue queue(5);
    std::atomic<int> accepted{0};
    Together(4, [&](std::size_t) {
      for (int i = 0; i < 4; ++i) accepted += Push(queue) == PushResult::kOk;
    });
    CHECK_EQ(accepted.load(), 5);
    int popped = 0;
    while (Pop(queue) != -1) ++popped;
    CHECK_EQ(popped, 5);
  }
}

TEST(ClosedRefusesAndKeepsWhatItHas) {
  Queue queue(4);
  Push(queue, 1);
  Push(queue, 2);
  CHECK(!queue.closed());
  CHECK(!queue.Sealed());
  queue.Close();
  queue.Close();
  CHECK(queue.closed());
  CHECK(queue.Sealed());
  CHECK_EQ(Push(queue), PushResult::kClosed);
  auto item = Item();
  CHECK_EQ(queue.PushUntil(item, kNever), PushResult::kClosed);
  CHECK(item != nullptr);
  CHECK_EQ(Pop(queue), 1);
  CHECK_EQ(Pop(queue), 2);
  CHECK_EQ(Pop(queue), -1);
}

TEST(ClosedComesBeforeFull) {
  Queue queue(1);
  Push(queue);
  queue.Close();
  CHECK_EQ(Push(queue), PushResult::kClosed);
}

TEST(PushUntilGivesUpAtItsDeadline) {
  Queue queue(1);
  Push(queue, 1);
  auto item = Item(2);
  const TimePoint deadline = Clock::now() + std::chrono::milliseconds(5);
  CHECK_EQ(queue.PushUntil(item, deadline), PushResult::kFull);
  CHECK(Clock::now() >= deadline);
  CHECK_EQ(queue.PushUntil(item, TimePoint::min()), PushResult::kFull);
  CHECK(item && *item == 2);
  CHECK_EQ(Pop(queue), 1);
  // With room a deadline in the past does not matter.
  CHECK_EQ(queue.PushUntil(item, TimePoint::min()), PushResult::kOk);
  CHECK_EQ(Pop(queue), 2);
}

TEST(CloseWakesParkedPushers) {
  Queue queue(2);
  Push(queue, 1);
  Push(queue, 2);
  std::atomic<int> started{0}, closed{0};
  Threads threads;
  for (int i = 0; i < 6; ++i) {
    threads.Start([&] {
      auto item = Item(3);
      started.fetch_add(1);
      closed += queue.PushUntil(item, kNever) == PushResult::kClosed && item != nullptr;
    });
  }
  CHECK(Eventually([&] { return started.load() == 6; }));
  queue.Close();
  threads.Join();
  CHECK_EQ(closed.load(), 6);
  CHECK_EQ(Pop(queue), 1);
  CHECK_EQ(Pop(queue), 2);
  CHECK_EQ(Pop(queue), -1);
}

TEST(CloseWakesParkedConsumersOfAnEmptyQueue) {
  Queue queue(2);
  Threads threads;
  for (int i = 0; i < 4; ++i) {
    threads.Start([&] {
      for (;;) {
        const auto key = queue.not_empty().Prepare();
        if (queue.Sealed()) {
          queue.not_empty().Cancel();
          return;
        }
        queue.not_empty().WaitUntil(key, kNever);
      }
    });
  }
  queue.Close();
}

namespace {

// Pops until the queue is sealed and empty, parking without a timeout in between.
std::size_t Drain(RequestQueue<std::uint64_t>& queue, std::vector<std::atomic<int>>& seen) {
  std::size_t popped = 0;
  const auto take_all = [&] {
    const std::size_t before = popped;
    std::uint64_t item = 0;
    for (; queue.TryPop(item); ++popped) seen[item].fetch_add(1);
    return popped != before;
  };
  for (;;) {
    const bool sealed = queue.Sealed();
    if (take_all()) continue;
    if (sealed) return popped;
    const auto key = queue.not_empty().Prepare();
    if (take_all() || queue.closed()) {
      queue.not_empty().Cancel();
      continue;
    }
    queue.not_empty().WaitUntil(key, kNever);
  }
}

// Pushers of all kinds race with consumers and with Close(): exactly what was accepted comes out.
void RaceWithClose(std::size_t capacity, int each, bool close_early) {
  constexpr std::size_t kPushers = 6, kConsumers = 2;
  RequestQueue<std::uint64_t> queue(capacity);
  std::vector<std::atomic<int>> accepted(kPushers * static_cast<std::size_t>(each));
  std::vector<std::atomic<int>> seen(accepted.size());
  std::atomic<std::size_t> pushed{0}, popped{0}, pushers_left{kPushers};
  Together(kPushers + kConsumers + 1, [&](std::size_t thread) {
    if (thread < kPushers) {
      for (int i = 0; i < each; ++i) {
        const std::uint64_t id =
            thread * static_cast<std::size_t>(each) + static_cast<std::size_t>(i);
        std::uint64_t item = id;
        PushResult result = PushResult::kFull;
        if (i % 3 == 0) {
          result = queue.TryPush(item);
        } else if (i % 3 == 1) {
          result = queue.PushUntil(item, Clock::now() + std::chrono::microseconds(100));
        } else {
          result = queue.PushUntil(item, kNever);
        }
        if (result == PushResult::kClosed) break;
        if (result == PushResult::kOk) {
          accepted[id].fetch_add(1);
          pushed.fetch_add(1);
        }
      }
      pushers_left.fetch_sub(1);
    } else if (thread < kPushers + kConsumers) {
      popped.fetch_add(Drain(queue, seen));
    } else {
      const std::size_t enough = close_early ? static_cast<std::size_t>(each) : accepted.size();
      while (pushed.load() < enough && pushers_left.load() > 0) std::this_thread::yield();
      queue.Close();
    }
  });
  CHECK_EQ(popped.load(), pushed.load());
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK_EQ(seen[i].load(), accepted[i].load());
  CHECK_EQ(queue.SizeApprox(), 0u);
  CHECK(queue.Sealed());
}

}  // namespace

TEST(EverythingAcceptedComesOutOnce) {
  RaceWithClose(1, Scaled(3000), false);
  RaceWithClose(3, Scaled(5000), false);
  RaceWithClose(256, Scaled(10000), false);
}

TEST(EverythingAcceptedBeforeARacingCloseComesOutOnce) {
  for (int round = 0; round < Scaled(60); ++round) {
    RaceWithClose(1, 20, true);
    RaceWithClose(7, 50, true);
  }
}

// Callers that keep trying after Close() must not keep consumers from seeing the end.
TEST(SealsWhileOthersHammerTheClosedQueue) {
  RequestQueue<std::uint64_t> queue(4);
  std::atomic<bool> stop{false};
  Threads threads;
  for (int i = 0; i < 6; ++i) {
    threads.Start([&] {
      while (!stop.load()) {
        std::uint64_t item = 0;
        if (queue.TryPush(item) == PushResult::kFull) std::this_thread::yield();
      }
    });
  }
  CHECK(Eventually([&] { return queue.SizeApprox() == 4; }));
  queue.Close();
  CHECK(Eventually([&] { return queue.Sealed(); }));
  CHECK_EQ(queue.SizeApprox(), 4u);
  stop.store(true);
}

// A pusher that parks for room must hear of it although others without patience come and go: one
// that took their passing attempts for a full queue would stay parked with no pop left to come.
TEST(ImpatientPushersDoNotStrandAParkedOne) {
  for (int round = 0; round < Scaled(1000); ++round) {
    RequestQueue<std::uint64_t> queue(1);
    std::atomic<int> pushers_left{4};
    Together(5, [&](std::size_t thread) {
      std::uint64_t item = 0;
      if (thread == 4) {
        while (queue.TryPop(item) || pushers_left.load() > 0) {
        }
        return;
      }
      for (int i = 0; i < 10; ++i) {
        if (thread == 0) {
          CHECK_EQ(queue.PushUntil(item, Soon()), PushResult::kOk);
        } else {
          queue.TryPush(item);
        }
      }
      pushers_left.fetch_sub(1);
    });
  }
}
