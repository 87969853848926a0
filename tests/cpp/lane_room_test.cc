// A submit to a lane that has no room: refused, made to wait, interrupted.
#include "check.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

// Waits as long as it takes, and counts how often it was asked.
SubmitOptions Patient(std::atomic<int>& asked) {
  SubmitOptions options;
  options.give_up = kNever;
  options.interrupted = [&asked] {
    asked.fetch_add(1);
    return false;
  };
  return options;
}

std::string Refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST(AFullLaneRefusesAtOnceOrAfterTheWait) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(2);
  Blocker blocker(engine);
  for (int i = 0; i < 3; ++i) Submit(*lane, runner, i);
  CHECK_EQ(lane->Waiting(), lane->max_waiting());
  CHECK_EQ(KindOf([&] { Submit(*lane, runner, 3); }), ErrorKind::kQueueFull);
  const std::string message = Refusal([&] { Submit(*lane, runner, 3); });
  CHECK(Contains(message, "the session is full: 2 "));
  SubmitOptions patient;
  patient.give_up = Clock::now() + milliseconds(10);
  CHECK_EQ(KindOf([&] { Submit(*lane, runner, 3, patient); }), ErrorKind::kQueueFull);
  CHECK(Clock::now() >= patient.give_up);
  patient.give_up = kNever;
  patient.deadline = Clock::now() + milliseconds(10);
  CHECK_EQ(KindOf([&] { Submit(*lane, runner, 3, patient); }), ErrorKind::kDeadlineExceeded);
  CHECK_EQ(engine.counters().rejected.load(), 4u);
  CHECK_EQ(engine.counters().submitted.load(), 4u);
  Submit(*engine.MakeLane(2), runner, 3);  // others are not concerned
}

TEST(ALaneWithoutRoomHoldsOneAtATime) {
  Engine engine({2, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(0);
  std::atomic<int> asked{0};
  std::shared_ptr<Ticket> last;
  for (int i = 0; i < 100; ++i) last = Submit(*lane, runner, i, Patient(asked));
  CHECK(last->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*last), 100);
  CHECK(asked.load() < 50);  // it is woken when there is room, and does not have to look for it
}

TEST(ASubmitThatWaitsGetsTheRoomThatComes) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(1);
  std::atomic<int> asked{0};
  Threads threads;
  std::shared_ptr<Ticket> waiting;
  {
    Blocker blocker(engine);
    Submit(*lane, runner, 1);
    waiting = Submit(*lane, runner, 2);
    for (int i = 0; i < 4; ++i) {
      threads.Start([&] {
        const auto ticket = Submit(*lane, runner, 3, Patient(asked));
        CHECK(ticket->WaitUntil(Soon()));
      });
    }
    CHECK(Eventually([&] { return asked.load() >= 8; }));  // they do wait, and are asked on
    CHECK_EQ(lane->Waiting(), 1u);
    CHECK(waiting->Cancel());
    CHECK(Eventually([&] { return engine.counters().submitted.load() == 7; }));
    CHECK(Eventually([&] { return lane->Waiting() == 1; }));
  }
  threads.Join();
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(runner->batches().size(), 5u);
  CHECK(AddsUp(engine.counters()));
}

TEST(AnInterruptedWaitAcceptsNothing) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto full = engine.MakeLane(0);
  {
    Blocker blocker(engine);
    Submit(*full, runner, 1);
    SubmitOptions options;
    options.give_up = kNever;
    options.interrupted = [] { return true; };
    CHECK_EQ(KindOf([&] { Submit(*full, runner, 2, options); }), ErrorKind::kCancelled);
    options.interrupted = []() -> bool { throw std::runtime_error("from the callback"); };
    CHECK_THROWS(Submit(*full, runner, 2, options), std::runtime_error);
    CHECK_EQ(full->Waiting(), 0u);
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().submitted.load(), 2u);
  CHECK_EQ(engine.counters().rejected.load(), 2u);
  CHECK(AddsUp(engine.counters()));
}

// Recordings fill the queue: a lane has nothing to do with it, its first request neither.
TEST(AFullQueueHoldsUpNoLane) {
  for (int round = 0; round < Scaled(4); ++round) {
    Engine engine({1, 1}, NoContexts());
    const auto runner = std::make_shared<FakeRunner>();
    const auto lane = engine.MakeLane(8);
    std::atomic<int> asked{0};
    {
      Blocker blocker(engine);
      Submit(engine, runner, 0);
      CHECK_EQ(KindOf([&] { Submit(engine, runner, 9); }), ErrorKind::kQueueFull);
      Submit(*lane, runner, 1);
      CHECK(lane->busy());
      Submit(*lane, runner, 2, Patient(asked));
      CHECK_EQ(lane->Waiting(), 1u);
      CHECK_EQ(engine.Waiting(), 3u);
    }
    engine.Close(CloseMode::kDrain);
    CHECK_EQ(asked.load(), 0);
    CHECK(runner->batches() == (std::vector<Numbers>{{1}, {2}, {0}}));
    CHECK(AddsUp(engine.counters()));
  }
}

TEST(WhenOneGivesUpTheNextGetsTheRoom) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(0);
  std::atomic<int> first_asked{0}, second_asked{0};
  std::atomic<bool> stop{false};
  Threads threads;
  {
    Blocker blocker(engine);
    Submit(*lane, runner, 0);
    threads.Start([&] {
      SubmitOptions options;
      options.give_up = kNever;
      options.interrupted = [&] {
        first_asked.fetch_add(1);
        return stop.load();
      };
      CHECK_EQ(KindOf([&] { Submit(*lane, runner, 1, options); }), ErrorKind::kCancelled);
    });
    CHECK(Eventually([&] { return first_asked.load() > 0; }));
    threads.Start([&] { Submit(*lane, runner, 2, Patient(second_asked)); });
    CHECK(Eventually([&] { return second_asked.load() > 0; }));
    stop.store(true);
    CHECK(Eventually([&] { return engine.counters().rejected.load() == 1; }));
  }
  threads.Join();
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{0}, {2}}));
  CHECK(AddsUp(engine.counters()));
}

TEST(ClosingEndsTheWait) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto full = engine.MakeLane(0);
  std::atomic<int> asked{0}, refused{0};
  Threads threads;
  {
    Blocker blocker(engine);
    Submit(*full, runner, 1);
    for (int i = 0; i < 4; ++i) {
      threads.Start([&] {
        refused += KindOf([&] { Submit(*full, runner, 2, Patient(asked)); }) == ErrorKind::kClosed;
      });
    }
    CHECK(Eventually([&] { return asked.load() >= 8; }));
    threads.Start([&] { engine.Close(CloseMode::kDrain); });
    CHECK(Eventually([&] { return refused.load() == 4; }));  // though the worker is still blocked
  }
  threads.Join();
  CHECK(AddsUp(engine.counters()));
}
