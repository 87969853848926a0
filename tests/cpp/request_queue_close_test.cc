// Closing a queue in the midst of everything: nothing that was accepted may be lost.
#include "check.h"
#include "core/request_queue.h"
#include "support.h"

using namespace safeasr::core;

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

namespace {

// An item whose move into the ring takes as long as the test wants.
struct SlowItem {
  SlowItem() = default;
  SlowItem(SlowItem&&) noexcept = default;
  SlowItem& operator=(SlowItem&& other) noexcept {
    if (other.moving != nullptr) {
      other.moving->Set();
      other.go_on->Wait();
    }
    value = other.value;
    return *this;
  }
  int value = 0;
  Event* moving = nullptr;  // set when the move begins
  Event* go_on = nullptr;   // and waited for before it ends
};

}  // namespace

// Closed, nothing to pop, and yet one more item is coming: that must not look like the end.
TEST(IsNotSealedWhileAPushIsUnderWay) {
  RequestQueue<SlowItem> queue(4);
  Event moving, go_on;
  std::atomic<bool> pushed{false};
  Threads threads;
  threads.Start([&] {
    SlowItem item;
    item.value = 7;
    item.moving = &moving;
    item.go_on = &go_on;
    pushed.store(queue.TryPush(item) == PushResult::kOk);
  });
  CHECK(moving.Wait());
  queue.Close();
  SlowItem out;
  CHECK(queue.closed());
  CHECK(!queue.Sealed());
  CHECK(!queue.TryPop(out));
  go_on.Set();
  threads.Join();
  CHECK(pushed.load());
  CHECK(queue.Sealed());
  CHECK(queue.TryPop(out));
  CHECK_EQ(out.value, 7);
  CHECK(!queue.TryPop(out));
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
