// Lanes: order, and what becomes of requests that wait in one.
#include "core/lane.h"

#include "check.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

constexpr std::size_t kMany = 1000;

}  // namespace

TEST(OneAfterAnotherInTheOrderOfSubmission) {
  Engine engine({4, 8}, NoContexts());
  std::atomic<int> inside{0};
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [&](const Numbers& batch) {
    CHECK_EQ(batch.size(), 1u);
    CHECK_EQ(inside.fetch_add(1), 0);
    std::this_thread::yield();
    inside.fetch_sub(1);
  });
  const auto lane = engine.MakeLane(kMany);
  for (int i = 0; i < 500; ++i) Submit(*lane, runner, i);
  engine.Close(CloseMode::kDrain);
  const auto batches = runner->batches();
  CHECK_EQ(batches.size(), 500u);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    CHECK_EQ(batches[i][0], static_cast<std::int64_t>(i));
  }
  CHECK(!lane->busy());
  CHECK(AddsUp(engine.counters()));
}

TEST(RequestsOfSeveralLanesShareBatches) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  const auto a = engine.MakeLane(kMany), b = engine.MakeLane(kMany);
  {
    Blocker blocker(engine);
    for (int i = 0; i < 3; ++i) {
      Submit(*a, runner, i);
      Submit(*b, runner, 10 + i);
    }
    CHECK(a->busy() && b->busy());
    CHECK_EQ(a->Waiting(), 2u);
    CHECK_EQ(engine.Waiting(), 6u);
  }
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{0, 10}, {1, 11}, {2, 12}}));
}

// Those that follow a batch are there together when its worker looks for more. A sleeping worker
// that was woken by the first of them would take that one alone.
TEST(WhatFollowsABatchRunsInOneBatch) {
  Engine engine({2, 64}, NoContexts());
  const BatchLimits all_eight{8, 1 << 30, 1.0, std::chrono::hours(1), false};
  Event release;
  const auto heads =
      std::make_shared<FakeRunner>(all_eight, [&](const Numbers&) { release.Wait(); });
  const auto followers = std::make_shared<FakeRunner>(AtMost(8));
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 8; ++i) {
    const auto lane = engine.MakeLane(1);
    Submit(*lane, heads, i)->AddDoneCallback([] {
      std::this_thread::sleep_for(milliseconds(5));  // time for one that was woken
    });
    tickets.push_back(Submit(*lane, followers, i));
  }
  std::this_thread::sleep_for(milliseconds(50));  // the other worker goes to sleep
  release.Set();
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(heads->batches().size(), 1u);
  CHECK_EQ(followers->batches().size(), 1u);
}

// The workers sleep: the head waits for company that does not come.
TEST(WhatFollowsACancelledOneWakesAWorker) {
  Engine engine({2, 8}, NoContexts());
  const BatchLimits pairs{2, 1 << 30, 1.0, std::chrono::hours(1), false};
  const auto lonely = std::make_shared<FakeRunner>(pairs), runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(1);
  const auto head = Submit(*lane, lonely, 1), next = Submit(*lane, runner, 2);
  std::this_thread::sleep_for(milliseconds(20));
  CHECK(head->Cancel());
  CHECK(next->WaitUntil(Soon()));
  CHECK(lonely->batches().empty());
}

TEST(AllPiecesOfOneComeBeforeTheNext) {
  Engine engine({2, 8}, NoContexts());
  const auto runner = std::make_shared<PieceRunner>(AtMost(8));
  const auto lane = engine.MakeLane(kMany);
  for (int i = 1; i <= 3; ++i) {
    lane->Submit(runner, std::make_unique<PiecePayload>(i, i), {});
  }
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{1}, {2}, {2}, {3}, {3}, {3}}));
}

TEST(WhatWaitsInALaneNeedsNoRoomInTheQueue) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(kMany);
  std::vector<std::shared_ptr<Ticket>> tickets;
  std::atomic<bool> stop{false};
  Threads flood;
  {
    Blocker blocker(engine);
    for (int i = 0; i < 100; ++i) tickets.push_back(Submit(*lane, runner, i));
    Submit(engine, runner, 0);
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 0); }), ErrorKind::kQueueFull);
    flood.Start([&] {  // keeps the queue full
      SubmitOptions patient;
      patient.give_up = kNever;
      while (!stop.load()) Submit(engine, runner, 0, patient);
    });
  }
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK(tickets[i]->WaitUntil(Soon()));
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  stop.store(true);
  flood.Join();
}

TEST(AFailedOneLetsTheNextRun) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [](const Numbers& batch) {
    if (batch[0] % 2 == 0) throw Error(ErrorKind::kInvalidInput, "even");
  });
  const auto lane = engine.MakeLane(kMany);
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 6; ++i) tickets.push_back(Submit(*lane, runner, i));
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*tickets[4]), ErrorKind::kInvalidInput);
  CHECK_EQ(NumberOf(*tickets[5]), 6);
  CHECK_EQ(runner->batches().size(), 6u);
}

TEST(CancelledOnesAreSkippedAndCounted) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(3);
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    for (int i = 0; i < 4; ++i) tickets.push_back(Submit(*lane, runner, i));
    CHECK(tickets[2]->Cancel());  // in the lane: makes room there at once
    CHECK_EQ(lane->Waiting(), 2u);
    tickets.push_back(Submit(*lane, runner, 4));
    CHECK(tickets[0]->Cancel());  // in the engine: the next enters at once
    CHECK_EQ(lane->Waiting(), 2u);
    CHECK_EQ(KindOf(*tickets[0]), ErrorKind::kCancelled);
  }
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{1}, {3}, {4}}));
  CHECK_EQ(engine.counters().cancelled.load(), 2u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ALateOneFailsWhenItsTurnComes) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(kMany);
  std::shared_ptr<Ticket> first, late, last;
  {
    Blocker blocker(engine);
    first = Submit(*lane, runner, 1);
    SubmitOptions options;
    options.deadline = Later();
    late = Submit(*lane, runner, 2, options);
    last = Submit(*lane, runner, 3);
    std::this_thread::sleep_until(options.deadline);
    CHECK(!late->finished());
  }
  CHECK(last->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*late), ErrorKind::kDeadlineExceeded);
  CHECK_EQ(NumberOf(*last), 4);
  CHECK(runner->batches() == (std::vector<Numbers>{{1}, {3}}));
  CHECK_EQ(engine.counters().expired.load(), 1u);
}

// The callback of one submits the next, on the worker's own thread.
TEST(CallbacksMaySubmit) {
  Engine engine({2, 4}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(1);
  Event done;
  std::function<void(int)> next = [&](int n) {
    if (n == 200) return done.Set();
    Submit(*lane, runner, n)->AddDoneCallback([&, n] { next(n + 1); });
  };
  next(0);
  CHECK(done.Wait());
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(runner->batches().size(), 200u);
}
