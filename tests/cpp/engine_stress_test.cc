// Heavy, time-bounded hammering of the whole engine. What must hold whatever the interleaving:
// every accepted ticket is finished exactly once, with its own result or an error that fits what
// was done to it, and the counters add up.
//
// Time-bounded, so that it means something under TSan too: there it does fewer rounds.
#include <random>

#include "check.h"
#include "core/engine.h"
#include "stress.h"

using namespace safeasr::core;

namespace {

// One caller: submits with random options, cancels some, waits for some at once and for the rest
// at the end.
void Caller(Engine& engine, const std::vector<std::shared_ptr<FakeRunner>>& runners,
            std::uint32_t seed, int requests, Tally& tally) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  std::vector<Accepted> accepted;
  for (int i = 0; i < requests; ++i) {
    const SubmitOptions options = RandomOptions(random);
    const bool has_deadline = options.deadline != kNever;
    const auto number = static_cast<std::int64_t>(random() % 1000000);
    Accepted a{nullptr, number, has_deadline, false};
    try {
      const int pieces = 1 + static_cast<int>(random() % 5);  // most runners do them all at once
      a.ticket = engine.Submit(runners[random() % runners.size()],
                               std::make_unique<PiecePayload>(number, pieces), options);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kQueueFull || e.kind() == ErrorKind::kClosed ||
            (e.kind() == ErrorKind::kDeadlineExceeded && has_deadline));
      tally.refused.fetch_add(1);
      continue;
    }
    tally.accepted.fetch_add(1);
    a.ticket->AddDoneCallback([&tally] { tally.called_back.fetch_add(1); });
    if (chance(15)) a.Cancel();
    if (chance(10)) a.ticket->WaitUntil(Clock::now() + microseconds(random() % 500));
    if (chance(5)) {
      Judge(a, tally);
    } else {
      accepted.push_back(std::move(a));
    }
  }
  for (const Accepted& a : accepted) Judge(a, tally);
}

enum class End { kDrain, kCancel, kDrainEarly, kCancelEarly };

void Round(EngineOptions options, std::size_t callers, int requests, End end, std::uint32_t seed) {
  Tally tally;
  Engine engine(options, NoContexts());
  const std::vector<std::shared_ptr<FakeRunner>> runners = {
      std::make_shared<FakeRunner>(BatchLimits{8, 2000, 0.3, Duration(0), true}, StressHook(false)),
      std::make_shared<FakeRunner>(BatchLimits{4, 1 << 30, 1.0, microseconds(300), true},
                                   StressHook(true)),
      std::make_shared<FakeRunner>(BatchLimits{1, 1, 0.0, Duration(0), false}, StressHook(false)),
      std::make_shared<PieceRunner>(BatchLimits{8, 2000, 1.0, Duration(0), true},
                                    StressHook(false)),
      std::make_shared<PieceRunner>(BatchLimits{3, 1 << 30, 1.0, microseconds(300), false},
                                    StressHook(true)),
  };
  const CloseMode mode =
      end == End::kDrain || end == End::kDrainEarly ? CloseMode::kDrain : CloseMode::kCancel;
  Threads closer;
  if (end == End::kDrainEarly || end == End::kCancelEarly) {
    closer.Start([&] {
      const auto third = callers * static_cast<std::size_t>(requests) / 3;
      Eventually([&] { return tally.accepted.load() + tally.refused.load() > third; });
      engine.Close(mode);
    });
  }
  Together(callers, [&](std::size_t i) {
    Caller(engine, runners, seed + static_cast<std::uint32_t>(i), requests, tally);
  });
  closer.Join();
  engine.Close(mode);

  CHECK_EQ(tally.accepted.load() + tally.refused.load(),
           callers * static_cast<std::size_t>(requests));
  CheckAccounts(engine, tally);
}

}  // namespace

TEST(ThirtyTwoCallersThousandsOfRequestsEach) { Round({4, 64}, 32, Scaled(3000), End::kDrain, 7); }

TEST(DrainedAtTheEnd) {
  For(kTime, [](std::uint32_t seed) { Round({2, 32}, 8, 200, End::kDrain, seed); });
}

TEST(DrainedWhileCallersGoOn) {
  For(kTime, [](std::uint32_t seed) { Round({3, 16}, 12, 100, End::kDrainEarly, seed); });
}

TEST(CancelledWhileCallersGoOn) {
  For(kTime, [](std::uint32_t seed) { Round({3, 16}, 12, 100, End::kCancelEarly, seed); });
}

TEST(AQueueOfOne) {
  For(kTime, [](std::uint32_t seed) { Round({2, 1}, 8, 60, End::kCancel, seed); });
}

TEST(MoreWorkersThanWork) {
  For(kTime, [](std::uint32_t seed) { Round({16, 1024}, 2, 100, End::kDrain, seed); });
}

// One request at a time, workers asleep in between: a lost wake-up stops it.
TEST(PingPongThroughSleepingWorkers) {
  Engine engine({4, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  For(kTime, [&](std::uint32_t seed) {
    for (int i = 0; i < 100; ++i) {
      const auto ticket = Submit(engine, runner, seed + static_cast<std::uint32_t>(i));
      if (!ticket->WaitUntil(Soon())) CHECK(!"a request was left lying");
    }
  });
}
