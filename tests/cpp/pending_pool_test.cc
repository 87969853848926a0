#include "core/pending_pool.h"

#include "check.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using std::chrono::milliseconds;
using Queue = RequestQueue<RequestPtr>;

const TimePoint kStart = TimePoint{} + std::chrono::hours(1);

BatchLimits AtMost(std::size_t max_requests, Duration max_wait = Duration(0)) {
  return {max_requests, 1 << 30, 1.0, max_wait, false};
}

// Queues one request; its number is its payload.
std::shared_ptr<Ticket> Add(Queue& queue, const std::shared_ptr<const Runner>& runner,
                            std::int64_t number, TimePoint deadline = kNever) {
  auto request = std::make_unique<Request>();
  request->key = {runner->id(), 0, 0};
  request->runner = runner;
  request->arrival = request->turn = kStart;
  request->deadline = deadline;
  request->payload = std::make_unique<NumberPayload>(number);
  request->ticket = std::make_shared<Ticket>();
  auto ticket = request->ticket;
  CHECK_EQ(queue.TryPush(request), PushResult::kOk);
  return ticket;
}

std::string NumbersOf(const std::vector<RequestPtr>& requests) {
  std::string out;
  for (const RequestPtr& r : requests) {
    out += std::to_string(static_cast<const NumberPayload&>(*r->payload).value) + " ";
  }
  return out;
}

}  // namespace

TEST(EmptyIsFinishedOnlyOnceClosed) {
  Queue queue(4);
  PendingPool pool(4);
  Batch batch = pool.Take(queue, kStart, 1);
  CHECK(batch.requests.empty() && !batch.finished && !batch.more && !batch.look_again);
  queue.Close();
  CHECK(pool.Take(queue, kStart, 1).finished);
}

TEST(ClosedIsNotFinishedBeforeItIsEmpty) {
  Queue queue(4);
  PendingPool pool(4);
  const auto runner = std::make_shared<FakeRunner>(AtMost(1));
  Add(queue, runner, 1);
  Add(queue, runner, 2);
  queue.Close();
  Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "1 ");
  CHECK(!batch.finished && batch.more);
  batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "2 ");
  CHECK(!batch.finished && !batch.more);
  CHECK(pool.Take(queue, kStart, 1).finished);
}

TEST(KeepsTheOrderOfArrivalAcrossTakes) {
  Queue queue(64);
  PendingPool pool(16);  // smaller than what is queued
  const auto a = std::make_shared<FakeRunner>(AtMost(3));
  const auto b = std::make_shared<FakeRunner>(AtMost(2));
  for (int i = 0; i < 6; ++i) {
    Add(queue, a, i);
    Add(queue, b, 10 + i);
  }
  const char* expected[] = {"0 1 2 ", "10 11 ", "12 13 ", "3 4 5 ", "14 15 "};
  for (const char* numbers : expected) {
    CHECK_EQ(NumbersOf(pool.Take(queue, kStart, 1).requests), numbers);
  }
  CHECK_EQ(pool.SizeApprox(), 0u);
}

TEST(TheWindowBoundsWhatLeavesTheQueue) {
  Queue queue(64);
  PendingPool pool(5);
  const auto runner = std::make_shared<FakeRunner>(AtMost(2));
  for (int i = 0; i < 20; ++i) Add(queue, runner, i);
  std::size_t taken = 0;
  while (taken < 20) {
    const Batch batch = pool.Take(queue, kStart, 1);
    taken += batch.requests.size();
    CHECK_EQ(batch.requests.size(), 2u);
    CHECK(pool.SizeApprox() <= 5);
    CHECK_EQ(batch.more, taken < 20);
    CHECK_EQ(pool.SizeApprox() + queue.SizeApprox(), 20 - taken);
  }
}

TEST(DropsAndCountsTheCancelled) {
  Queue queue(16);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(2));
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 6; ++i) tickets.push_back(Add(queue, runner, i));
  tickets[1]->Cancel();  // in the queue
  Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "0 2 ");
  CHECK_EQ(batch.cancelled.size(), 1u);
  tickets[3]->Cancel();  // in the pool
  tickets[5]->Cancel();
  batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "4 ");
  CHECK_EQ(batch.cancelled.size(), 2u);
  CHECK_EQ(pool.Take(queue, kStart, 1).cancelled.size(), 0u);
}

TEST(CountsTheCancelledWhenNothingElseIsLeft) {
  Queue queue(4);
  PendingPool pool(4);
  const auto runner = std::make_shared<FakeRunner>(AtMost(2));
  Add(queue, runner, 0)->Cancel();
  Add(queue, runner, 1)->Cancel();
  queue.Close();
  const Batch batch = pool.Take(queue, kStart, 1);
  CHECK(batch.requests.empty() && batch.finished);
  CHECK_EQ(batch.cancelled.size(), 2u);
}

TEST(CancelledOnesDoNotFillTheWindow) {
  Queue queue(64);
  PendingPool pool(2);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  for (int i = 0; i < 50; ++i) {
    const auto ticket = Add(queue, runner, i);
    if (i < 48) ticket->Cancel();
  }
  const Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "48 49 ");
  CHECK_EQ(batch.cancelled.size(), 48u);
}

TEST(HandsOutTheExpired) {
  Queue queue(8);
  PendingPool pool(8);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  Add(queue, runner, 0, kStart);
  Add(queue, runner, 1);
  Add(queue, runner, 2, kStart - milliseconds(1));
  const Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.expired), "0 2 ");
  CHECK_EQ(NumbersOf(batch.requests), "1 ");
}

// The limits are those of the runner whose batch it is, not of an expired one's before it.
TEST(TheOldestLiveRequestsRunnerSetsTheLimits) {
  Queue queue(16);
  PendingPool pool(16);
  const auto large = std::make_shared<FakeRunner>(AtMost(8));
  const auto small = std::make_shared<FakeRunner>(AtMost(1));
  Add(queue, large, 0, kStart);  // has expired
  for (int i = 1; i < 4; ++i) Add(queue, small, i);
  const Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.expired), "0 ");
  CHECK_EQ(NumbersOf(batch.requests), "1 ");
}

TEST(LooksAgainWhenTheWaitIsOver) {
  Queue queue(8);
  PendingPool pool(8);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8, milliseconds(20)));
  Add(queue, runner, 0);
  Batch batch = pool.Take(queue, kStart + milliseconds(1), 1);
  CHECK(batch.requests.empty() && batch.look_again == kStart + milliseconds(20));
  Add(queue, runner, 1);
  batch = pool.Take(queue, kStart + milliseconds(20), 1);
  CHECK_EQ(NumbersOf(batch.requests), "0 1 ");
  CHECK(!batch.look_again);
}

TEST(ClosingEndsTheWait) {
  Queue queue(8);
  PendingPool pool(8);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8, milliseconds(20)));
  Add(queue, runner, 0);
  CHECK(pool.Take(queue, kStart, 1).look_again.has_value());
  queue.Close();
  CHECK_EQ(NumbersOf(pool.Take(queue, kStart, 1).requests), "0 ");
}

TEST(ManyTakersGetEachRequestOnce) {
  Queue queue(64);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(3));
  const int each = Scaled(3000);
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(3 * each));
  std::atomic<int> pushers{3};
  Together(6, [&](std::size_t thread) {
    if (thread < 3) {
      for (int i = 0; i < each; ++i) {
        auto request = std::make_unique<Request>();
        request->key = {runner->id(), 0, 0};
        request->runner = runner;
        request->payload =
            std::make_unique<NumberPayload>(static_cast<std::int64_t>(thread) * each + i);
        request->ticket = std::make_shared<Ticket>();
        CHECK_EQ(queue.PushUntil(request, Soon()), PushResult::kOk);
      }
      if (pushers.fetch_sub(1) == 1) queue.Close();
      return;
    }
    for (;;) {
      const Batch batch = pool.Take(queue, kStart, 2);
      for (const RequestPtr& r : batch.requests) {
        seen[static_cast<std::size_t>(static_cast<const NumberPayload&>(*r->payload).value)]++;
      }
      if (batch.finished) return;
      if (batch.requests.empty()) std::this_thread::yield();
    }
  });
  for (const auto& count : seen) CHECK_EQ(count.load(), 1);
}
