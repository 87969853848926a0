// What comes to the pool bypassing the queue: unfinished requests, live work and later stages.
#include "check.h"
#include "core/pending_pool.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using std::chrono::milliseconds;
using Queue = RequestQueue<RequestPtr>;

const TimePoint kStart = TimePoint{} + std::chrono::hours(1);
TimePoint At(int ms) { return kStart + milliseconds(ms); }

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

// What came to the pool at `turn_ms`, or will come; its number is its payload.
RequestPtr Make(const std::shared_ptr<const Runner>& runner, std::int64_t number, int turn_ms = 0) {
  auto request = std::make_unique<Request>();
  request->key = {runner->id(), 0, 0};
  request->runner = runner;
  request->arrival = request->turn = At(turn_ms);
  request->payload = std::make_unique<NumberPayload>(number);
  request->ticket = std::make_shared<Ticket>();
  return request;
}

void Push(Queue& queue, RequestPtr request) { CHECK_EQ(queue.TryPush(request), PushResult::kOk); }

void PutBack(PendingPool& pool, std::vector<RequestPtr> requests, int turn_ms) {
  RequestChain chain;
  for (RequestPtr& r : requests) {
    r->ticket->TryStart();
    r->begun = r->direct = true;
    r->turn = At(turn_ms);
    chain.Append(std::move(r));
  }
  pool.PutBack(chain);
  CHECK_EQ(chain.size(), 0u);
}

void EnterExpected(PendingPool& pool, RequestPtr request) {
  request->direct = true;
  pool.EnterExpected(std::move(request));
}

std::string NumbersOf(const std::vector<RequestPtr>& requests) {
  std::string out;
  for (const RequestPtr& r : requests) {
    out += std::to_string(static_cast<const NumberPayload&>(*r->payload).value) + " ";
  }
  return out;
}

}  // namespace

TEST(AChainKeepsItsOrder) {
  const auto runner = std::make_shared<FakeRunner>();
  RequestChain a, b;
  CHECK(!a.TakeFirst() && a.size() == 0 && a.first() == nullptr);
  a.Append(Make(runner, 1));
  CHECK(a.TakeFirst() && !a.TakeFirst());
  a.Append(Make(runner, 2));
  b.Append(Make(runner, 3));
  b.Append(Make(runner, 4));
  a.Append(b);
  CHECK(a.size() == 3 && b.size() == 0 && !b.TakeFirst());
  std::vector<RequestPtr> all;
  while (RequestPtr request = a.TakeFirst()) all.push_back(std::move(request));
  CHECK_EQ(NumbersOf(all), "2 3 4 ");
}

TEST(WhatIsPutBackComesAfterWhatWaits) {
  Queue queue(16);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(2));
  for (int i = 0; i < 5; ++i) Push(queue, Make(runner, i, i));
  Batch batch = pool.Take(queue, At(10), 1);
  PutBack(pool, std::move(batch.requests), 10);
  Push(queue, Make(runner, 5, 9));  // before it, and after it
  Push(queue, Make(runner, 6, 11));
  CHECK_EQ(pool.SizeApprox() + queue.SizeApprox(), 7u);
  const char* expected[] = {"2 3 ", "4 5 ", "0 1 ", "6 "};
  for (const char* numbers : expected) {
    batch = pool.Take(queue, At(12), 1);
    CHECK_EQ(NumbersOf(batch.requests), numbers);
  }
  CHECK(!batch.more);
}

TEST(WhatIsPutBackTakesNoRoomFromTheQueue) {
  Queue queue(64);
  PendingPool pool(2, 6);
  const auto runner = std::make_shared<FakeRunner>(AtMost(100));
  for (int i = 0; i < 20; ++i) Push(queue, Make(runner, i));
  for (int round = 1; round <= 3; ++round) {  // two more each time
    Batch batch = pool.Take(queue, At(round), 1);
    CHECK_EQ(batch.requests.size(), static_cast<std::size_t>(2 * round));
    PutBack(pool, std::move(batch.requests), round);
  }
  // As many as may be partly done at a time: no more are begun.
  Batch batch = pool.Take(queue, At(9), 1);
  CHECK_EQ(batch.requests.size(), 6u);
  CHECK_EQ(queue.SizeApprox(), 14u);
  batch.requests.pop_back();  // one is finished
  PutBack(pool, std::move(batch.requests), 9);
  CHECK_EQ(pool.Take(queue, At(10), 1).requests.size(), 7u);
}

TEST(AnExpiredOneIsHandedOutThoughItHasBegun) {
  Queue queue(16);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  Push(queue, Make(runner, 1));
  Batch batch = pool.Take(queue, At(0), 1);
  batch.requests[0]->deadline = At(5);
  PutBack(pool, std::move(batch.requests), 1);
  batch = pool.Take(queue, At(5), 1);
  CHECK_EQ(NumbersOf(batch.expired), "1 ");
  CHECK(batch.requests.empty());
}

TEST(ACancelledOneIsHandedOutThoughItHasBegun) {
  Queue queue(16);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  for (int i = 1; i <= 4; ++i) Push(queue, Make(runner, i));
  Batch batch = pool.Take(queue, At(0), 1);
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (const RequestPtr& r : batch.requests) tickets.push_back(r->ticket);
  PutBack(pool, std::move(batch.requests), 1);
  CHECK(!tickets[0]->Cancel());  // not yet among those that the pool looks at
  batch = pool.Take(queue, At(2), 100);
  CHECK_EQ(batch.cancelled.size(), 1u);
  CHECK_EQ(batch.requests.size(), 3u);
  PutBack(pool, std::move(batch.requests), 3);
  Push(queue, Make(runner, 5, 2));
  CHECK_EQ(NumbersOf(pool.Take(queue, At(4), 100).requests), "5 2 3 4 ");
  CHECK_EQ(batch.cancelled.TakeFirst()->ticket->state(), TicketState::kRunning);
}

// As a payload does that has to wait for a device: under the lock this would never return.
TEST(NothingIsDestroyedUnderTheLock) {
  struct Nosy : NumberPayload {
    Nosy(PendingPool& p, int& g) : NumberPayload(0), pool(p), gone(g) {}
    ~Nosy() override {
      pool.SizeApprox();
      ++gone;
    }
    PendingPool& pool;
    int& gone;
  };
  Queue queue(16);
  PendingPool pool(16);
  const auto runner = std::make_shared<FakeRunner>(AtMost(1));
  int gone = 0;
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 4; ++i) {
    RequestPtr request = Make(runner, i);
    request->payload = std::make_unique<Nosy>(pool, gone);
    tickets.push_back(request->ticket);
    Push(queue, std::move(request));
  }
  tickets[0]->Cancel();  // in the queue
  CHECK_EQ(pool.Take(queue, At(0), 1).requests.size(), 1u);
  tickets[2]->Cancel();  // in the pool
  CHECK_EQ(pool.Take(queue, At(0), 1).requests.size(), 1u);
  CHECK_EQ(gone, 4);
}

TEST(ALongChainGoesWithoutRecursion) {
  RequestChain chain;
  for (int i = 0; i < 300'000; ++i) chain.Append(std::make_unique<Request>());
  RequestChain other(std::move(chain));
  CHECK(chain.size() == 0 && other.size() == 300'000);
  chain = std::move(other);
  CHECK(chain.size() == 300'000 && other.size() == 0);
}

TEST(WhatEntersDirectlyIsRefusedOnceClosed) {
  Queue queue(1);
  PendingPool pool(1);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  RequestPtr first = Make(runner, 1), late = Make(runner, 2);
  CHECK(pool.Enter(queue, first) && !first);
  CHECK_EQ(pool.SizeApprox(), 1u);
  queue.Close();
  CHECK(!pool.Enter(queue, late) && late);
  const Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "1 ");
  CHECK(!batch.finished && pool.Take(queue, kStart, 1).finished);
}

TEST(WhatIsExpectedKeepsThePoolFromFinishing) {
  Queue queue(4);
  PendingPool pool(4);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  CHECK(pool.Expect(queue) && pool.Expect(queue));
  CHECK_EQ(pool.SizeApprox(), 2u);
  queue.Close();
  CHECK(!pool.Expect(queue));
  CHECK(!pool.Take(queue, kStart, 1).finished);
  EnterExpected(pool, Make(runner, 1));
  Batch batch = pool.Take(queue, kStart, 1);
  CHECK_EQ(NumbersOf(batch.requests), "1 ");
  CHECK(!batch.finished && !pool.Take(queue, kStart, 1).finished);
  pool.StopExpecting();
  CHECK(pool.Take(queue, kStart, 1).finished);
  CHECK_EQ(pool.SizeApprox(), 0u);
}

TEST(WhatWaitedInALaneNeedsNoRoomAndMayBeCancelled) {
  Queue queue(4);
  PendingPool pool(1);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  Push(queue, Make(runner, 1, 1));
  for (int i = 2; i < 6; ++i) {
    CHECK(pool.Expect(queue));
    auto request = Make(runner, i, i);
    if (i == 3) request->ticket->Cancel();
    EnterExpected(pool, std::move(request));
  }
  const Batch batch = pool.Take(queue, At(9), 1);
  CHECK_EQ(NumbersOf(batch.requests), "1 2 4 5 ");
  CHECK_EQ(batch.cancelled.size(), 1u);
}

TEST(WhatCameDirectlyTakesNoRoomFromTheQueue) {
  Queue queue(4);
  PendingPool pool(1);
  const auto runner = std::make_shared<FakeRunner>(AtMost(1));
  for (int i = 0; i < 4; ++i) {
    CHECK(pool.Expect(queue));
    EnterExpected(pool, Make(runner, i, i));
  }
  CHECK_EQ(NumbersOf(pool.Take(queue, At(9), 1).requests), "0 ");
  Push(queue, Make(runner, 9, 9));
  CHECK_EQ(NumbersOf(pool.Take(queue, At(9), 1).requests), "1 ");
  CHECK_EQ(queue.SizeApprox(), 0u);
}

// A turn of its key sets the time back for all that were there; so a backlog gets one batch in each
// such time, and the rest of the time belongs to the higher priority.
TEST(AStarvingKeyGetsOneBatch) {
  Queue queue(64);
  PendingPool pool(64);
  BatchLimits low = AtMost(2), high = AtMost(1);
  low.starvation = milliseconds(100);
  const auto recordings = std::make_shared<FakeRunner>(low);
  const auto live = std::make_shared<FakeRunner>(high);
  for (int i = 0; i < 6; ++i) Push(queue, Make(recordings, i));
  for (int i = 10; i < 16; ++i) {
    RequestPtr request = Make(live, i);
    request->key.priority = 1;
    Push(queue, std::move(request));
  }
  const std::pair<int, const char*> expected[] = {{0, "10 "},   {100, "11 "},  {101, "0 1 "},
                                                  {102, "12 "}, {201, "13 "},  {202, "2 3 "},
                                                  {250, "14 "}, {303, "4 5 "}, {304, "15 "}};
  for (const auto& [ms, numbers] : expected) {
    CHECK_EQ(NumbersOf(pool.Take(queue, At(ms), 1).requests), numbers);
  }
}
