// Requests that take several runs: put back, taken again in other company, finished or failed.
#include <algorithm>
#include <numeric>
#include <string>

#include "check.h"
#include "core/engine.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

constexpr int kEndless = 1'000'000;  // pieces: until it is cancelled

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

}  // namespace

TEST(UnfinishedOnesQueueUpBehindAllOthers) {
  Engine engine({1, 16}, NoContexts());
  const auto runner = std::make_shared<PieceRunner>(AtMost(2));
  {
    Blocker blocker(engine);
    SubmitPieces(engine, runner, 1, 4);
    SubmitPieces(engine, runner, 2, 1);
    SubmitPieces(engine, runner, 3, 1);
    SubmitPieces(engine, runner, 4, 2);
  }
  engine.Close(CloseMode::kDrain);
  const std::vector<Numbers> expected = {{1, 2}, {3, 4}, {1, 4}, {1}, {1}};
  CHECK(runner->batches() == expected);
  const Counters& c = engine.counters();
  CHECK_EQ(c.continued.load(), 4u);
  CHECK_EQ(c.completed.load(), 5u);  // the blocker's too
  CHECK_EQ(c.batches.load(), 6u);
  CHECK(AddsUp(c));
}

TEST(NewcomersJoinAtTheNextPiece) {
  Engine engine({1, 16}, NoContexts());
  Event running, go_on;
  const auto runner = std::make_shared<PieceRunner>(AtMost(8), [&](const Numbers&) {
    running.Set();
    go_on.Wait();
  });
  const auto longer = SubmitPieces(engine, runner, 1, 3);
  CHECK(running.Wait());
  const auto joins = SubmitPieces(engine, runner, 2, 1);
  go_on.Set();
  CHECK(longer->WaitUntil(Soon()) && joins->WaitUntil(Soon()));
  CHECK(runner->batches() == (std::vector<Numbers>{{1}, {2, 1}, {1}}));
  CHECK_EQ(NumberOf(*longer), 2);
}

TEST(QueueTimeIsThatBeforeTheFirstPiece) {
  Engine engine({1, 16}, NoContexts());
  const auto runner = std::make_shared<PieceRunner>(AtMost(2));
  for (int i = 0; i < 10; ++i) SubmitPieces(engine, runner, i, 5);
  engine.Close(CloseMode::kDrain);
  DurationHistogram::Counts buckets{};
  engine.counters().queue_time.AddTo(&buckets);
  CHECK_EQ(std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0}), 10u);
  CHECK_EQ(engine.counters().continued.load(), 40u);
}

// To cancel it is a wish that the worker grants before the next piece.
TEST(BetweenItsPiecesARequestIsRunning) {
  Engine engine({1, 16}, NoContexts());
  std::shared_ptr<Ticket> ticket;
  Event submitted;
  std::atomic<int> runs{0};
  std::atomic<bool> cancelled{false};
  const auto other = std::make_shared<FakeRunner>(AtMost(1), [&](const Numbers&) {
    // Its turn is between the pieces of the first.
    cancelled.store(ticket->Cancel() || ticket->state() != TicketState::kRunning);
  });
  const auto runner = std::make_shared<PieceRunner>(AtMost(1), [&](const Numbers&) {
    submitted.Wait();
    runs.fetch_add(1);
  });
  ticket = SubmitPieces(engine, runner, 1, 2);
  const auto between = Submit(engine, other, 5);
  submitted.Set();
  CHECK(ticket->WaitUntil(Soon()) && between->WaitUntil(Soon()));
  CHECK(!cancelled.load());
  CHECK_EQ(runs.load(), 1);
  CHECK_EQ(ticket->state(), TicketState::kCancelled);
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().cancelled.load(), 1u);
  CHECK(AddsUp(engine.counters()));
}

TEST(AnHourOfPiecesEndsAfterThePresentOne) {
  Engine engine({1, 8}, NoContexts());
  Event running, cancelled;
  const auto runner = std::make_shared<PieceRunner>(AtMost(8), [&](const Numbers& batch) {
    if (batch[0] != 1) return;
    running.Set();
    cancelled.Wait();
  });
  const auto lane = engine.MakeLane(8);
  const auto hour = lane->Submit(runner, std::make_unique<PiecePayload>(1, kEndless), {});
  const auto next = lane->Submit(runner, std::make_unique<PiecePayload>(2, 1), {});
  CHECK(running.Wait());
  CHECK(!hour->Cancel());
  CHECK(!hour->finished());
  cancelled.Set();
  CHECK(hour->WaitUntil(Soon()) && next->WaitUntil(Soon()));
  CHECK_EQ(hour->state(), TicketState::kCancelled);
  CHECK_EQ(NumberOf(*next), 3);
  CHECK(runner->batches() == (std::vector<Numbers>{{1}, {2}}));
  CHECK_EQ(engine.counters().cancelled.load(), 1u);
  CHECK_EQ(engine.counters().continued.load(), 0u);
}

// It waits behind others for its next piece: to hear that it is cancelled it needs no turn.
TEST(BetweenPiecesACancelNeedsNoTurn) {
  Engine engine({1, 64}, NoContexts());
  Event first_piece, go_on;
  const auto pieces = std::make_shared<PieceRunner>(AtMost(1), [&](const Numbers&) {
    first_piece.Set();
    go_on.Wait();
  });
  std::atomic<int> others_done{0};
  std::shared_ptr<Ticket> ticket;
  const auto others = std::make_shared<FakeRunner>(AtMost(1), [&](const Numbers& batch) {
    if (batch[0] == 0) ticket->Cancel();
    if (batch[0] == 1) CHECK(ticket->finished());  // one look at the pool later
    ++others_done;
  });
  ticket = SubmitPieces(engine, pieces, 1, 10);
  CHECK(first_piece.Wait());
  for (int i = 0; i < 20; ++i) Submit(engine, others, i);
  go_on.Set();
  CHECK(ticket->WaitUntil(Soon()));
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(ticket->state(), TicketState::kCancelled);
  CHECK_EQ(others_done.load(), 20);
  CHECK_EQ(pieces->batches().size(), 1u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ADeadlineHoldsBetweenPieces) {
  Engine engine({1, 16}, NoContexts());
  SubmitOptions options;
  options.deadline = Later();
  const auto runner = std::make_shared<PieceRunner>(
      AtMost(8), [&](const Numbers&) { std::this_thread::sleep_until(options.deadline); });
  const auto ticket = SubmitPieces(engine, runner, 1, 2, options);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*ticket), ErrorKind::kDeadlineExceeded);
  CHECK(Contains(MessageOf(*ticket), "partly done"));
  CHECK_EQ(engine.counters().expired.load(), 1u);
  CHECK_EQ(runner->batches().size(), 1u);
  engine.Close(CloseMode::kDrain);
  CHECK(AddsUp(engine.counters()));
}

TEST(DrainingFinishesAllPieces) {
  Engine engine({3, 64}, NoContexts());
  const auto runner = std::make_shared<PieceRunner>(AtMost(4));
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 50; ++i) tickets.push_back(SubmitPieces(engine, runner, i, 1 + i % 7));
  engine.Close(CloseMode::kDrain);
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  CHECK_EQ(engine.Waiting(), 0u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ClosingWithCancelFailsWhatIsPartlyDone) {
  Engine engine({1, 16}, NoContexts());
  Event running;
  const auto runner = std::make_shared<PieceRunner>(AtMost(8), [&](const Numbers&) {
    running.Set();
    Eventually([&] { return engine.closed(); });
  });
  const auto partly = SubmitPieces(engine, runner, 1, kEndless);
  CHECK(running.Wait());
  const auto not_at_all = SubmitPieces(engine, runner, 2, 1);
  engine.Close(CloseMode::kCancel);
  CHECK_EQ(KindOf(*partly), ErrorKind::kClosed);
  CHECK(Contains(MessageOf(*partly), "partly done"));
  CHECK_EQ(KindOf(*not_at_all), ErrorKind::kClosed);
  CHECK(!Contains(MessageOf(*not_at_all), "partly done"));
  CHECK_EQ(runner->batches().size(), 1u);
  CHECK_EQ(engine.counters().failed.load(), 2u);
}

// A throw in a later piece: the others keep what they have, and go on.
TEST(OnePoisonedPieceFailsAlone) {
  Engine engine({1, 16}, NoContexts());
  std::atomic<int> runs{0};
  const auto runner = std::make_shared<PieceRunner>(AtMost(8), [&](const Numbers& batch) {
    const bool poison = std::count(batch.begin(), batch.end(), 13) != 0;
    if (runs.fetch_add(1) > 0 && poison) throw Error(ErrorKind::kInvalidInput, "poison");
  });
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    for (const std::int64_t n : {12, 13, 14}) {
      tickets.push_back(SubmitPieces(engine, runner, n, 3));
    }
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*tickets[0]), 13);
  CHECK_EQ(KindOf(*tickets[1]), ErrorKind::kInvalidInput);
  CHECK_EQ(NumberOf(*tickets[2]), 15);
  const std::vector<Numbers> expected = {{12, 13, 14}, {12, 13, 14}, {12}, {13}, {14}, {12, 14}};
  CHECK(runner->batches() == expected);
  CHECK_EQ(engine.counters().retried_alone.load(), 3u);
  CHECK_EQ(engine.counters().continued.load(), 5u);
}

// Company is waited for at the first piece only; an hour at any later one would fail the test.
TEST(WhatHasBegunWaitsForNoCompany) {
  Engine engine({2, 16}, NoContexts());
  const BatchLimits pairs{2, 1 << 30, 1.0, std::chrono::hours(1), false};
  const auto runner = std::make_shared<PieceRunner>(pairs);
  const auto longer = SubmitPieces(engine, runner, 1, 5);
  const auto shorter = SubmitPieces(engine, runner, 2, 1);
  CHECK(longer->WaitUntil(Soon()) && shorter->WaitUntil(Soon()));
  CHECK_EQ(runner->batches().front().size(), 2u);
}

TEST(PiecesOfManyAreSharedAmongWorkers) {
  Engine engine({4, 64}, NoContexts());
  const BatchLimits sharing{16, 1 << 30, 1.0, Duration(0), true};
  std::atomic<std::size_t> busiest{0};
  const auto runner = std::make_shared<PieceRunner>(sharing, [&](const Numbers&) {
    std::size_t busy = engine.Busy(), seen = busiest.load();
    while (busy > seen && !busiest.compare_exchange_weak(seen, busy)) continue;
    std::this_thread::sleep_for(milliseconds(1));
  });
  {
    Blocker blocker(engine, 4);
    for (int i = 0; i < 16; ++i) SubmitPieces(engine, runner, i, kEndless);
  }
  CHECK(Eventually([&] { return busiest.load() == 4; }));
  engine.Close(CloseMode::kCancel);
}

// A worker that finds nothing left stays as long as another has something that may come back.
TEST(DrainingKeepsWorkersForWhatIsUnfinished) {
  Engine engine({2, 16}, NoContexts());
  std::atomic<int> runs{0};
  std::atomic<bool> both{false};
  Blocker first(engine), second(engine);
  const BatchLimits sharing{16, 1 << 30, 1.0, Duration(0), true};
  const auto runner = std::make_shared<PieceRunner>(sharing, [&](const Numbers&) {
    if (runs.fetch_add(1) == 0) {
      second.Release();
      Eventually([&] { return engine.Busy() == 1; });
      std::this_thread::sleep_for(milliseconds(20));  // the other looks for more
    } else if (engine.Busy() == 2) {
      both.store(true);
    }
    std::this_thread::sleep_for(milliseconds(1));
  });
  const auto a = SubmitPieces(engine, runner, 1, kEndless);
  const auto b = SubmitPieces(engine, runner, 2, kEndless);
  Threads closer;
  closer.Start([&] { engine.Close(CloseMode::kDrain); });
  CHECK(Eventually([&] { return engine.closed(); }));
  first.Release();
  CHECK(Eventually([&] { return both.load(); }));
  for (const auto& ticket : {a, b}) ticket->Cancel();
  closer.Join();
  CHECK_EQ(runner->batches().front().size(), 2u);
  CHECK(AddsUp(engine.counters()));
}
