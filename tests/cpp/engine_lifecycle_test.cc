// How an engine begins and ends: constructors that throw, closing in both ways, destruction.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "core/engine.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

struct CountedContext : WorkerContext {
  explicit CountedContext(std::atomic<int>& n) : alive(n) { alive.fetch_add(1); }
  ~CountedContext() override { alive.fetch_sub(1); }
  std::atomic<int>& alive;
};

// Closes on other threads as well, while work is queued and running.
void CloseFromManyThreads(CloseMode first, CloseMode second) {
  Engine engine({2, 256}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 200; ++i) tickets.push_back(Submit(engine, runner, i));
  Together(4, [&](std::size_t i) { engine.Close(i % 2 == 0 ? first : second); });
  for (const auto& ticket : tickets) CHECK(ticket->finished());
  CHECK(AddsUp(engine.counters()));
}

}  // namespace

TEST(RefusesZeroWorkersAndZeroRoom) {
  CHECK_THROWS(Engine({0, 8}, NoContexts()), std::invalid_argument);
  CHECK_THROWS(Engine({1, 0}, NoContexts()), std::invalid_argument);
}

TEST(EveryWorkerGetsItsContextAndDropsItAtTheEnd) {
  std::atomic<int> alive{0};
  std::vector<std::atomic<int>> made(3);
  {
    Engine engine({3, 8}, [&](std::size_t worker) {
      made[worker].fetch_add(1);
      return std::make_unique<CountedContext>(alive);
    });
    CHECK_EQ(alive.load(), 3);
    CHECK_EQ(engine.workers(), 3u);
  }
  CHECK_EQ(alive.load(), 0);
  for (const auto& count : made) CHECK_EQ(count.load(), 1);
}

TEST(AWorkerThatCannotStartMakesTheConstructorThrow) {
  for (const std::size_t bad : {0u, 2u, 3u}) {
    std::atomic<int> alive{0};
    const auto make = [&](std::size_t worker) -> std::unique_ptr<WorkerContext> {
      if (worker == bad) throw std::runtime_error("no such device");
      return std::make_unique<CountedContext>(alive);
    };
    CHECK_THROWS(Engine({4, 8}, make), std::runtime_error);
    CHECK_EQ(alive.load(), 0);  // the other workers have ended
  }
}

TEST(AFactoryMustReturnAContext) {
  CHECK_THROWS(Engine({2, 8}, [](std::size_t) { return nullptr; }), std::logic_error);
  CHECK_THROWS(Engine({2, 8}, Engine::ContextFactory()), std::bad_function_call);
}

// In a child process, whose address space is made too small for the stacks of all the workers.
TEST(ASystemOutOfThreadsMakesTheConstructorThrow) {
  // The sanitizers' own shadow memory does not fit into a small address space.
  if (kTsan || kAsan) return;
  const pid_t child = fork();
  if (child == 0) {
    constexpr rlim_t kBytes = rlim_t{256} << 20;
    const rlimit limit{kBytes, kBytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
    try {
      const Engine engine({2000, 8}, NoContexts());
    } catch (const std::exception&) {
      _exit(0);
    }
    _exit(3);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(SubmitWithoutARunnerThrows) {
  Engine engine({1, 8}, NoContexts());
  CHECK_THROWS(Submit(engine, nullptr, 1), std::invalid_argument);
  CHECK_EQ(engine.counters().submitted.load(), 0u);
}

TEST(SubmitAfterCloseThrows) {
  Engine engine({1, 8}, NoContexts());
  CHECK(!engine.closed());
  engine.Close(CloseMode::kDrain);
  CHECK(engine.closed());
  const auto runner = std::make_shared<FakeRunner>();
  SubmitOptions patient;
  patient.give_up = kNever;
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 1); }), ErrorKind::kClosed);
  CHECK_EQ(KindOf([&] { Submit(engine, runner, 1, patient); }), ErrorKind::kClosed);
  CHECK_EQ(engine.counters().submitted.load(), 0u);
  CHECK_EQ(engine.counters().rejected.load(), 2u);
}

TEST(CloseDrainFinishesWhatWasAccepted) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::vector<std::shared_ptr<Ticket>> tickets;
  Threads closer;
  {
    Blocker blocker(engine);
    for (int i = 0; i < 600; ++i) tickets.push_back(Submit(engine, runner, i));
    closer.Start([&] { engine.Close(CloseMode::kDrain); });
    CHECK(Eventually([&] { return engine.closed(); }));
    CHECK_EQ(KindOf([&] { Submit(engine, runner, 1); }), ErrorKind::kClosed);
    CHECK(!tickets[0]->finished());  // the only worker is blocked
  }
  closer.Join();
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  CHECK_EQ(engine.Waiting(), 0u);
  CHECK_EQ(engine.Busy(), 0u);
}

TEST(CloseCancelFailsWhatWaitsAndFinishesWhatRuns) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::vector<std::shared_ptr<Ticket>> tickets;
  std::shared_ptr<Ticket> running;
  Threads closer;
  {
    Blocker blocker(engine);
    running = blocker.ticket();
    for (int i = 0; i < 600; ++i) tickets.push_back(Submit(engine, runner, i));
    CHECK(tickets[5]->Cancel());
    closer.Start([&] { engine.Close(CloseMode::kCancel); });
    CHECK(Eventually([&] { return engine.closed(); }));
  }
  closer.Join();
  CHECK_EQ(running->state(), TicketState::kDone);
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(KindOf(*tickets[i]), i == 5 ? ErrorKind::kCancelled : ErrorKind::kClosed);
  }
  CHECK(runner->batches().empty());
  CHECK_EQ(engine.counters().failed.load(), 599u);
  CHECK_EQ(engine.counters().cancelled.load(), 1u);
  CHECK(AddsUp(engine.counters()));
}

TEST(CloseWakesSubmitsThatWaitForRoom) {
  Engine engine({1, 1}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::atomic<int> asked{0}, refused{0};
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
        refused += KindOf([&] { Submit(engine, runner, 2, options); }) == ErrorKind::kClosed;
      });
    }
    CHECK(Eventually([&] { return asked.load() >= 4; }));
    threads.Start([&] { engine.Close(CloseMode::kDrain); });
    CHECK(Eventually([&] { return refused.load() == 4; }));  // though the worker is still blocked
  }
  threads.Join();
  CHECK_EQ(engine.counters().rejected.load(), 4u);
  CHECK(AddsUp(engine.counters()));
}

TEST(CloseMayBeCalledAgainAndFromSeveralThreads) {
  for (int round = 0; round < Scaled(30); ++round) {
    CloseFromManyThreads(CloseMode::kDrain, CloseMode::kDrain);
    CloseFromManyThreads(CloseMode::kDrain, CloseMode::kCancel);
  }
}

TEST(DestructionWithWorkInFlightFinishesEveryTicket) {
  for (int round = 0; round < Scaled(100); ++round) {
    std::vector<std::shared_ptr<Ticket>> tickets;
    const auto runner = std::make_shared<FakeRunner>();
    {
      Engine engine({3, 256}, NoContexts());
      for (int i = 0; i < 100; ++i) tickets.push_back(Submit(engine, runner, i));
    }
    for (const auto& ticket : tickets) {
      CHECK(ticket->finished());
      if (ticket->state() == TicketState::kFailed) CHECK_EQ(KindOf(*ticket), ErrorKind::kClosed);
    }
  }
}

TEST(TicketsAndRunnersOutliveTheirEngine) {
  std::shared_ptr<Ticket> ticket;
  std::weak_ptr<const Runner> seen;
  {
    Engine engine({1, 8}, NoContexts());
    auto runner = std::make_shared<FakeRunner>();
    seen = runner;
    ticket = Submit(engine, std::move(runner), 1);
    CHECK(ticket->WaitUntil(Soon()));
  }
  CHECK_EQ(NumberOf(*ticket), 2);
  CHECK(seen.expired());  // no one keeps what is not needed
}
