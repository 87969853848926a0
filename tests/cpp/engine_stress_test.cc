// Heavy, time-bounded hammering of the whole engine. What must hold whatever the interleaving:
// every accepted ticket is finished exactly once, with its own result or an error that fits what
// was done to it, and the counters add up.
//
// Time-bounded, so that it means something under TSan too: there it does fewer rounds.
#include <algorithm>
#include <random>

#include "check.h"
#include "core/engine.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// What became of what was accepted, as the callers see it.
struct Tally {
  std::atomic<std::uint64_t> accepted{0}, refused{0}, called_back{0};
  std::atomic<std::uint64_t> done{0}, failed{0}, cancelled{0}, expired{0};
};

struct Accepted {
  std::shared_ptr<Ticket> ticket;
  std::int64_t number;
  bool had_deadline, cancel_won;
};

bool IsPoison(std::int64_t number) { return number % 97 == 13; }

std::shared_ptr<FakeRunner> MakeRunner(BatchLimits limits, bool slow) {
  return std::make_shared<FakeRunner>(limits, [slow](const Numbers& batch) {
    if (slow) std::this_thread::sleep_for(microseconds(50));
    if (std::any_of(batch.begin(), batch.end(), IsPoison)) {
      throw Error(ErrorKind::kInvalidInput, "poison");
    }
  });
}

void Judge(const Accepted& a, Tally& tally) {
  CHECK(a.ticket->WaitUntil(Soon()));
  CHECK(!a.ticket->Cancel());  // too late, whatever it is
  switch (a.ticket->state()) {
    case TicketState::kDone:
      CHECK(!a.cancel_won && !IsPoison(a.number));
      CHECK_EQ(NumberOf(*a.ticket), a.number + 1);
      tally.done.fetch_add(1);
      break;
    case TicketState::kCancelled:
      CHECK(a.cancel_won);
      CHECK_EQ(KindOf(*a.ticket), ErrorKind::kCancelled);
      tally.cancelled.fetch_add(1);
      break;
    case TicketState::kFailed: {
      CHECK(!a.cancel_won);
      const ErrorKind kind = KindOf(*a.ticket);
      if (kind == ErrorKind::kDeadlineExceeded) {
        CHECK(a.had_deadline);
        tally.expired.fetch_add(1);
      } else {
        CHECK(kind == ErrorKind::kClosed ||
              (kind == ErrorKind::kInvalidInput && IsPoison(a.number)));
        tally.failed.fetch_add(1);
      }
      break;
    }
    default:
      CHECK(!"not finished after the wait");
  }
}

// One caller: submits with random options, cancels some, waits for some at once and for the rest
// at the end.
void Caller(Engine& engine, const std::vector<std::shared_ptr<FakeRunner>>& runners,
            std::uint32_t seed, int requests, Tally& tally) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  std::vector<Accepted> accepted;
  for (int i = 0; i < requests; ++i) {
    SubmitOptions options;
    options.length = 1 + static_cast<std::int64_t>(random() % 300);
    options.options_key = random() % 2;
    const bool has_deadline = chance(20);
    if (has_deadline) options.deadline = Clock::now() + microseconds(random() % 2000);
    if (chance(50)) options.give_up = Clock::now() + microseconds(random() % 5000);
    if (chance(30)) options.give_up = kNever;
    const auto number = static_cast<std::int64_t>(random() % 1000000);
    Accepted a{nullptr, number, has_deadline, false};
    try {
      a.ticket = Submit(engine, runners[random() % runners.size()], number, options);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kQueueFull || e.kind() == ErrorKind::kClosed ||
            (e.kind() == ErrorKind::kDeadlineExceeded && has_deadline));
      tally.refused.fetch_add(1);
      continue;
    }
    tally.accepted.fetch_add(1);
    a.ticket->AddDoneCallback([&tally] { tally.called_back.fetch_add(1); });
    if (chance(15)) a.cancel_won = a.ticket->Cancel();
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
      MakeRunner({8, 2000, 0.3, Duration(0), true}, false),
      MakeRunner({4, 1 << 30, 1.0, microseconds(300), true}, true),
      MakeRunner({1, 1, 0.0, Duration(0), false}, false),
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

  const Counters& c = engine.counters();
  CHECK_EQ(tally.accepted.load() + tally.refused.load(),
           callers * static_cast<std::size_t>(requests));
  CHECK_EQ(tally.called_back.load(), tally.accepted.load());
  CHECK_EQ(c.submitted.load(), tally.accepted.load());
  CHECK_EQ(c.rejected.load(), tally.refused.load());
  CHECK_EQ(c.completed.load(), tally.done.load());
  CHECK_EQ(c.failed.load(), tally.failed.load());
  CHECK_EQ(c.cancelled.load(), tally.cancelled.load());
  CHECK_EQ(c.expired.load(), tally.expired.load());
  CHECK(AddsUp(c));
  CHECK_EQ(engine.Waiting(), 0u);
  CHECK_EQ(engine.Busy(), 0u);
}

// Rounds of new seeds until the time is up, at least one.
void For(milliseconds time, const std::function<void(std::uint32_t)>& round) {
  const TimePoint end = Clock::now() + time;
  std::uint32_t seed = 1;
  do {
    round(seed);
    seed += 1000;
  } while (Clock::now() < end);
}

constexpr milliseconds kTime{kTsan ? 5000 : 800};

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
