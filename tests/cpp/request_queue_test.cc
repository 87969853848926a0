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

// A pusher that parks for room must hear of it although others without patience come and go: one
// that took their passing attempts for a full queue would stay parked with no pop left to come.
TEST(ImpatientPushersDoNotStrandAParkedOne) {
  for (int round = 0; round < Scaled(100); ++round) {
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
