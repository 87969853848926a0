// A process that forks while its engine works: the child gets a clear error and ends cleanly.
//
// TSan: its runtime refuses to start threads in a child of a process that had several, so only the
// last test's child does, and that test is left out there.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "check.h"
#include "core/engine.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

// Runs work in a forked child that then ends by exit(), destructors of statics and all.
// Returns the child's exit code, 1000 when it did not exit; a child that hangs is ended by
// SIGALRM.
int InChild(const std::function<int()>& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    const int code = work();
    // What the parent's threads own on their stacks is out of reach here: LeakSanitizer, which runs
    // in exit(), takes it for leaked.
    if (kAsan) _exit(code);
    std::exit(code);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

int Use(std::unique_ptr<Engine>& engine, const std::shared_ptr<const Runner>& runner) {
  if (!engine->forked()) return 1;
  SubmitOptions patient;
  patient.give_up = kNever;
  if (KindOf([&] { Submit(*engine, runner, 1); }) != ErrorKind::kForked) return 2;
  if (KindOf([&] { Submit(*engine, runner, 1, patient); }) != ErrorKind::kForked) return 3;
  if (engine->Waiting() != 0) return 4;
  if (KindOf([&] { engine->MakeLane(1); }) != ErrorKind::kForked) return 5;
  engine->Close(CloseMode::kDrain);
  engine->Close(CloseMode::kCancel);
  engine.reset();
  return 0;
}

}  // namespace

TEST(TheChildOfAnIdleEngine) {
  auto engine = std::make_unique<Engine>(EngineOptions{3, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  // Asleep or on their way to it, the workers exist in the parent only.
  CHECK_EQ(InChild([&] { return Use(engine, runner); }), 0);
  CHECK(!engine->forked());
  const auto ticket = Submit(*engine, runner, 1);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*ticket), 2);
}

TEST(TheChildOfAnEngineThatIsBlockedAndFull) {
  auto engine = std::make_unique<Engine>(EngineOptions{1, 2}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  Threads threads;
  Blocker blocker(*engine);
  Submit(*engine, runner, 1);
  Submit(*engine, runner, 2);
  threads.Start([&] {  // parked for room
    SubmitOptions options;
    options.give_up = kNever;
    CHECK(Submit(*engine, runner, 3, options)->WaitUntil(Soon()));
  });
  CHECK_EQ(InChild([&] { return Use(engine, runner); }), 0);
  blocker.Release();
}

TEST(TheChildOfAnEngineWithLanes) {
  auto engine = std::make_unique<Engine>(EngineOptions{1, 4}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  auto idle = engine->MakeLane(1), full = engine->MakeLane(1);
  Threads threads;
  Blocker blocker(*engine);
  Submit(*full, runner, 1);
  const auto waiting = Submit(*full, runner, 2);
  std::atomic<int> asked{0};
  threads.Start([&] {  // parked for room
    SubmitOptions options;
    options.give_up = kNever;
    options.interrupted = [&] { return asked.fetch_add(1) < 0; };
    CHECK(Submit(*full, runner, 3, options)->WaitUntil(Soon()));
  });
  CHECK(Eventually([&] { return asked.load() > 0; }));
  const auto use = [&] {
    for (auto* lane : {&idle, &full}) {
      if (KindOf([&] { Submit(**lane, runner, 1); }) != ErrorKind::kForked) return 10;
      if ((*lane)->Waiting() != 0 || (*lane)->busy()) return 11;
    }
    waiting->Cancel();
    if (engine->counters().cancelled.load() != 0) return 12;  // no one touched the lane's lock
    idle.reset();
    full.reset();
    return Use(engine, runner);
  };
  CHECK_EQ(InChild(use), 0);
  CHECK(full->busy());
  blocker.Release();
}

TEST(TheChildOfAnEngineThatIsBeingClosed) {
  auto engine = std::make_unique<Engine>(EngineOptions{1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  Threads threads;
  Blocker blocker(*engine);
  threads.Start([&] { engine->Close(CloseMode::kDrain); });  // holds the lock that Close() needs
  CHECK(Eventually([&] { return engine->closed(); }));
  CHECK_EQ(InChild([&] { return Use(engine, runner); }), 0);
  blocker.Release();
}

TEST(ChildrenOfABusyEngine) {
  // Unlike malloc, ASan's allocator (before LLVM 17) is not made whole at a fork: where another
  // thread was just allocating, the child would hang in it. In the tests above nobody is.
  if (kAsan) return;
  auto engine = std::make_unique<Engine>(EngineOptions{2, 64}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::atomic<bool> stop{false};
  Threads threads;
  for (int i = 0; i < 2; ++i) {
    threads.Start([&] {
      while (!stop.load()) {
        SubmitOptions options;
        options.give_up = kNever;
        CHECK(Submit(*engine, runner, 1, options)->WaitUntil(Soon()));
      }
    });
  }
  for (int i = 0; i < Scaled(12); ++i) {
    CHECK_EQ(InChild([&] { return Use(engine, runner); }), 0);
  }
  stop.store(true);
  threads.Join();
  engine->Close(CloseMode::kDrain);
  CHECK(AddsUp(engine->counters()));
}

TEST(AnEngineMadeInTheChildWorks) {
  if (kTsan) return;  // see above: this child starts threads
  const Engine parents({1, 8}, NoContexts());
  const int code = InChild([] {
    Engine engine({2, 8}, NoContexts());
    const auto ticket = Submit(engine, std::make_shared<FakeRunner>(), 1);
    return ticket->WaitUntil(Soon()) && NumberOf(*ticket) == 2 ? 0 : 1;
  });
  CHECK_EQ(code, 0);
}
