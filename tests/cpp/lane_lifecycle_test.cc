// How lanes end: with their engine, without it, and when nobody holds them.
#include "check.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

constexpr std::size_t kMany = 1000;

}  // namespace

TEST(ClosingWithDrainRunsWhatWaitsInLanes) {
  Engine engine({3, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(kMany);
  std::vector<std::shared_ptr<Ticket>> tickets;
  Threads closer;
  {
    Blocker blocker(engine, 3);
    for (int i = 0; i < 100; ++i) tickets.push_back(Submit(*lane, runner, i));
    closer.Start([&] { engine.Close(CloseMode::kDrain); });
    CHECK(Eventually([&] { return engine.closed(); }));
    CHECK_EQ(KindOf([&] { Submit(*lane, runner, 1); }), ErrorKind::kClosed);
  }
  closer.Join();
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  CHECK_EQ(engine.Waiting(), 0u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ClosingWithCancelFailsWhatWaitsInLanes) {
  Engine engine({2, 8}, NoContexts());
  Event running;
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [&](const Numbers&) {
    running.Set();
    Eventually([&] { return engine.closed(); });
  });
  const auto lane = engine.MakeLane(kMany);
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 50; ++i) tickets.push_back(Submit(*lane, runner, i));
  CHECK(running.Wait());
  engine.Close(CloseMode::kCancel);
  CHECK_EQ(NumberOf(*tickets[0]), 1);
  for (std::size_t i = 1; i < 50; ++i) CHECK_EQ(KindOf(*tickets[i]), ErrorKind::kClosed);
  CHECK_EQ(engine.counters().failed.load(), 49u);
  CHECK(AddsUp(engine.counters()));
}

// Workers sleep while a lane holds requests; when those are cancelled nobody comes to wake them
// but who cancelled.
TEST(ClosingEndsWhenWhatWaitedInALaneIsCancelled) {
  Engine engine({4, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(kMany);
  std::vector<std::shared_ptr<Ticket>> tickets;
  Event running, release;
  const auto blocks = std::make_shared<FakeRunner>(AtMost(1), [&](const Numbers&) {
    running.Set();
    release.Wait();
  });
  const auto head = Submit(*lane, blocks, 0);
  for (int i = 0; i < 20; ++i) tickets.push_back(Submit(*lane, runner, i));
  CHECK(running.Wait());
  Threads closer;
  closer.Start([&] { engine.Close(CloseMode::kDrain); });
  CHECK(Eventually([&] { return engine.closed(); }));
  std::this_thread::sleep_for(milliseconds(20));  // let the three others go to sleep
  for (const auto& ticket : tickets) CHECK(ticket->Cancel());
  CHECK_EQ(lane->Waiting(), 0u);
  release.Set();
  closer.Join();
  CHECK(runner->batches().empty());
  CHECK_EQ(engine.counters().cancelled.load(), 20u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ALaneThatNobodyHoldsFinishesAndFreesItself) {
  Engine engine({2, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::weak_ptr<Lane> seen;
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine, 2);
    auto lane = engine.MakeLane(kMany);
    seen = lane;
    for (int i = 0; i < 10; ++i) tickets.push_back(Submit(*lane, runner, i));
    tickets[3]->Cancel();
    lane.reset();
    CHECK(!seen.expired());
  }
  CHECK(tickets.back()->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*tickets.back()), 10);
  CHECK(Eventually([&] { return seen.expired(); }));  // though the tickets live on
}

TEST(ARefusedSubmitKeepsNoLane) {
  Engine engine({1, 8}, NoContexts());
  auto lane = engine.MakeLane(0);
  const std::weak_ptr<Lane> seen = lane;
  CHECK_THROWS(Submit(*lane, nullptr, 1), std::invalid_argument);
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(KindOf([&] { Submit(*lane, std::make_shared<FakeRunner>(), 1); }), ErrorKind::kClosed);
  CHECK_EQ(engine.counters().rejected.load(), 1u);
  CHECK(!lane->busy());
  lane.reset();
  CHECK(seen.expired());
}

TEST(ALaneMayOutliveItsEngine) {
  const auto runner = std::make_shared<FakeRunner>();
  std::shared_ptr<Lane> lane;
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int round = 0; round < Scaled(50); ++round) {
    tickets.clear();
    {
      Engine engine({2, 8}, NoContexts());
      lane = engine.MakeLane(kMany);
      for (int i = 0; i < 50; ++i) tickets.push_back(Submit(*lane, runner, i));
    }
    for (const auto& ticket : tickets) CHECK(ticket->finished());
    CHECK(!lane->busy());
    CHECK_EQ(lane->Waiting(), 0u);
    CHECK_EQ(KindOf([&] { Submit(*lane, runner, 1); }), ErrorKind::kClosed);
  }
}
