// Live work goes first: what comes through lanes, and later stages of what was accepted, waits
// behind no backlog of recordings; and the recordings end all the same.
#include <algorithm>
#include <functional>

#include "check.h"
#include "core/engine_group.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

SubmitOptions Direct() {
  SubmitOptions options;
  options.direct = true;
  return options;
}

SubmitOptions OfPriority(int priority) {
  SubmitOptions options;
  options.priority = priority;
  return options;
}

}  // namespace

TEST(ALiveChunkIsInTheNextBatchBehindAThousandRecordings) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  const auto lane = engine.MakeLane(8);
  {
    Blocker blocker(engine);
    for (int i = 0; i < 1000; ++i) Submit(engine, runner, i);
    Submit(*lane, runner, -1);
  }
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches().front() == Numbers{-1});  // of its own: nobody's recording holds it up
  CHECK_EQ(runner->batches().size(), 1u + 1000 / 8);
}

// The window that workers choose from is full of recordings as well.
TEST(AFullWindowAndAFullQueueHoldUpNoLane) {
  Engine engine({1, 300}, NoContexts());
  Event running, release;
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [&](const Numbers& batch) {
    if (batch.front() != 0) return;
    running.Set();
    release.Wait();
  });
  Submit(engine, runner, 0);
  CHECK(running.Wait());
  const auto lane = engine.MakeLane(8);
  for (int i = 1; i <= 300; ++i) Submit(engine, runner, i);
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 301); }), ErrorKind::kQueueFull);
  const auto chunk = Submit(*lane, runner, -1);  // would throw if it had to wait
  release.Set();
  CHECK(chunk->WaitUntil(Soon()));
  CHECK(runner->batches()[1] == Numbers{-1});
}

TEST(RecordingsEndWhileThirtyLanesAreBusyForEver) {
  std::atomic<bool> stop{false};
  std::atomic<int> steps{0};
  Engine engine({1, 1024}, NoContexts());
  BatchLimits limits = AtMost(8);
  limits.starvation = milliseconds(2);
  const auto live = std::make_shared<FakeRunner>(limits, [&](const Numbers&) { ++steps; });
  const auto recordings = std::make_shared<FakeRunner>(limits);
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < 30; ++i) lanes.push_back(engine.MakeLane(2));
  const std::function<void(std::size_t)> feed = [&](std::size_t i) {
    if (stop.load()) return;
    try {
      Submit(*lanes[i], live, 0)->AddDoneCallback([&, i] { feed(i); });
    } catch (const Error& e) {  // the engine may close between the look at `stop` and this
      CHECK_EQ(e.kind(), ErrorKind::kClosed);
    }
  };
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    for (std::size_t i = 0; i < lanes.size(); ++i) feed(i);
    for (int i = 0; i < 400; ++i) tickets.push_back(Submit(engine, recordings, i));
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  CHECK(steps.load() > static_cast<int>(tickets.size()) / 8);  // most batches were live ones
  stop.store(true);
  engine.Close(CloseMode::kDrain);
  CHECK(AddsUp(engine.counters()));
}

TEST(PrioritiesAreTheRequestsOwn) {
  Engine engine({1, 64}, NoContexts());
  BatchLimits limits = AtMost(8);
  limits.live_priority = 2;
  const auto runner = std::make_shared<FakeRunner>(limits);
  const auto live = engine.MakeLane(8), recording = engine.MakeLane(8);
  {
    Blocker blocker(engine);
    Submit(engine, runner, 1);
    Submit(engine, runner, 2, OfPriority(-1));
    Submit(engine, runner, 3, OfPriority(3));
    Submit(*recording, runner, 4, OfPriority(0));
    Submit(*live, runner, 5);
    Submit(engine, runner, 6, OfPriority(2));
  }
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{3}, {5, 6}, {1, 4}, {2}}));
}

TEST(ADirectRequestNeverMeetsAFullQueue) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    Submit(engine, runner, 0);
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 0); }), ErrorKind::kQueueFull);
    for (int i = 1; i < 500; ++i) tickets.push_back(Submit(engine, runner, i, Direct()));
    CHECK_EQ(engine.Waiting(), 500u);
    SubmitOptions late = Direct();
    late.deadline = Clock::now();
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 0, late); }), ErrorKind::kDeadlineExceeded);
  }
  engine.Close(CloseMode::kDrain);
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 2);
  }
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 0, Direct()); }), ErrorKind::kClosed);
  CHECK_EQ(engine.counters().rejected.load(), 3u);
  CHECK(AddsUp(engine.counters()));
}

// The stages of a pipeline, each submitted by the callback of the one before, while the engine
// closes: what was accepted runs, the rest is refused, and no worker is missed.
TEST(StagesAreDrainedOrRefused) {
  for (int round = 0; round < Scaled(200); ++round) {
    Engine engine({2, 64}, NoContexts());
    const auto runner = std::make_shared<FakeRunner>(AtMost(4));
    std::atomic<int> accepted{0}, refused{0}, done{0};
    const std::function<void(int)> next = [&](int left) {
      if (left == 0) return;
      try {
        Submit(engine, runner, left, Direct())->AddDoneCallback([&, left] {
          ++done;
          next(left - 1);
        });
        ++accepted;
      } catch (const Error& e) {
        CHECK_EQ(e.kind(), ErrorKind::kClosed);
        ++refused;
      }
    };
    Threads threads;
    for (int i = 0; i < 4; ++i) threads.Start([&] { next(20); });
    if (round % 2 == 0) std::this_thread::yield();
    engine.Close(CloseMode::kDrain);
    threads.Join();
    CHECK_EQ(done.load(), accepted.load());
    CHECK(refused.load() <= 4);
    CHECK(AddsUp(engine.counters()));
    CHECK_EQ(engine.Waiting(), 0u);
  }
}

TEST(SoManyLanesAndNoMore) {
  EngineOptions options{1, 8};
  options.max_lanes = 3;
  Engine engine(options, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < 3; ++i) lanes.push_back(engine.MakeLane(8));
  std::string message;
  try {
    engine.MakeLane(8);
  } catch (const Error& e) {
    CHECK_EQ(e.kind(), ErrorKind::kQueueFull);
    message = e.what();
  }
  CHECK_EQ(message, std::string("3 streams are open already (max_streams)"));
  CHECK_EQ(engine.Lanes(), 3u);
  const auto ticket = Submit(*lanes[1], runner, 1);
  lanes.clear();
  CHECK(ticket->WaitUntil(Soon()));
  CHECK(Eventually([&] { return engine.Lanes() == 0; }));  // also of what ended by itself
  CHECK(engine.MakeLane(8) != nullptr);
}

TEST(LanesAreCountedWhoeverOpensThem) {
  EngineOptions options{1, 8};
  options.max_lanes = 5;
  Engine engine(options, NoContexts());
  std::atomic<int> open{0}, most{0}, refused{0};
  Together(8, [&](std::size_t) {
    for (int i = 0; i < Scaled(2000); ++i) {
      try {
        const auto lane = engine.MakeLane(1);
        const int now = ++open;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) continue;
        if (i % 7 == 0) std::this_thread::yield();
        --open;
      } catch (const Error&) {
        ++refused;
      }
    }
  });
  CHECK(most.load() <= 5);
  CHECK_EQ(engine.Lanes(), 0u);
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < 5; ++i) lanes.push_back(engine.MakeLane(1));
  CHECK_EQ(KindOf([&] { engine.MakeLane(1); }), ErrorKind::kQueueFull);
}

// A detector's chunk, and the recogniser's step that a thread submits when it hears of it.
TEST(WhatFollowsALiveChunkDoesNotFindARecordingInItsPlace) {
  Engine engine({1, 1024}, NoContexts());
  BatchLimits limits = AtMost(8);
  limits.followed_within = std::chrono::seconds(20);
  const auto detector = std::make_shared<FakeRunner>(limits);
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  const auto first = engine.MakeLane(8), second = engine.MakeLane(8);
  std::shared_ptr<Ticket> chunk;
  {
    Blocker blocker(engine);
    for (int i = 0; i < 100; ++i) Submit(engine, runner, i);
    chunk = Submit(*first, detector, -1);
  }
  CHECK(chunk->WaitUntil(Soon()));
  std::this_thread::sleep_for(milliseconds(5));
  const auto step = Submit(*second, runner, -2);
  CHECK(step->WaitUntil(Soon()));
  CHECK(runner->batches().front() == Numbers{-2});
  engine.Close(CloseMode::kDrain);  // which waits for nothing
  CHECK_EQ(runner->batches().size(), 1u + 13);
}
