// Requests that get no result: refused by a full queue, interrupted, too late, or taken back.
#include "check.h"
#include "core/engine.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

TEST(AFullQueueRefusesAtOnceOrAfterTheWait) {
  Engine engine({1, 2}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  Blocker blocker(engine);
  Submit(engine, runner, 1);
  Submit(engine, runner, 2);
  CHECK_EQ(engine.Waiting(), 2u);
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 3); }), ErrorKind::kQueueFull);
  SubmitOptions patient;
  patient.give_up = Clock::now() + milliseconds(10);
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 3, patient); }), ErrorKind::kQueueFull);
  CHECK(Clock::now() >= patient.give_up);
  CHECK_EQ(engine.counters().rejected.load(), 2u);
  CHECK_EQ(engine.counters().submitted.load(), 3u);
}

TEST(ASubmitThatWaitsGetsTheRoomThatComes) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::atomic<int> asked{0};
  Threads threads;
  {
    Blocker blocker(engine);
    Submit(engine, runner, 1);
    for (int i = 0; i < 4; ++i) {
      threads.Start([&] {
        SubmitOptions options;
        options.give_up = kNever;
        options.interrupted = [&] {
          asked.fetch_add(1);
          return false;
        };
        const auto ticket = Submit(engine, runner, 2, options);
        CHECK(ticket->WaitUntil(Soon()));
        CHECK_EQ(NumberOf(*ticket), 3);
      });
    }
    CHECK(Eventually([&] { return asked.load() >= 4; }));  // they do wait
  }
}

TEST(AnInterruptedWaitAcceptsNothing) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  {
    Blocker blocker(engine);
    Submit(engine, runner, 1);
    SubmitOptions options;
    options.give_up = kNever;
    options.interrupted = [] { return true; };
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 2, options); }), ErrorKind::kCancelled);
    options.interrupted = []() -> bool { throw std::runtime_error("from the callback"); };
    CHECK_THROWS(Submit(engine, runner, 2, options), std::runtime_error);
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().submitted.load(), 2u);
  CHECK_EQ(engine.counters().rejected.load(), 2u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ADeadlineMayHavePassedBeforeWhileWaitingOrQueued) {
  Engine engine({1, 2}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  SubmitOptions late;
  late.deadline = Clock::now();
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 1, late); }), ErrorKind::kDeadlineExceeded);
  std::shared_ptr<Ticket> queued, in_time;
  {
    Blocker blocker(engine);
    SubmitOptions options;
    options.deadline = Clock::now() + std::chrono::hours(1);
    in_time = Submit(engine, runner, 2, options);
    options.deadline = Later();
    queued = Submit(engine, runner, 1, options);
    // The queue is full now: the wait for room ends at the deadline, not at give_up.
    options.give_up = kNever;
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 1, options); }), ErrorKind::kDeadlineExceeded);
    CHECK(Clock::now() >= options.deadline);
  }
  CHECK(queued->WaitUntil(Soon()) && in_time->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*queued), ErrorKind::kDeadlineExceeded);
  CHECK_EQ(NumberOf(*in_time), 3);
  CHECK_EQ(engine.counters().expired.load(), 1u);
  CHECK_EQ(engine.counters().rejected.load(), 2u);
  CHECK(runner->batches() == (std::vector<Numbers>{{2}}));  // what is late is never run
}

TEST(CancelQueuedRunningAndDone) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::shared_ptr<Ticket> queued, running, done;
  done = Submit(engine, runner, 1);
  CHECK(done->WaitUntil(Soon()));
  CHECK(!done->Cancel());
  CHECK_EQ(NumberOf(*done), 2);
  {
    Blocker blocker(engine);
    running = blocker.ticket();
    queued = Submit(engine, runner, 2);
    CHECK(queued->Cancel());
    CHECK_EQ(KindOf(*queued), ErrorKind::kCancelled);  // at once: no worker is needed
    CHECK(!running->Cancel());
  }
  CHECK_EQ(running->state(), TicketState::kDone);
  engine.Close(CloseMode::kDrain);
  CHECK(runner->batches() == (std::vector<Numbers>{{1}}));
  CHECK_EQ(engine.counters().cancelled.load(), 1u);
  CHECK(AddsUp(engine.counters()));
}
