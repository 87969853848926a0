// Many sessions, many threads: order and exactly-once, whatever the interleaving. Time-bounded as
// engine_stress_test.cc is.
#include <random>
#include <vector>

#include "check.h"
#include "core/lane.h"
#include "stress.h"

using namespace safeasr::core;

namespace {

// A number says whose it is: two threads submit to each lane, and each counts its own up.
constexpr std::int64_t kThreads = 2, kPerLane = 100000, kPerThread = kPerLane / kThreads;

// What a runner sees of a lane. Not atomic: TSan would see two requests of one lane at once.
struct Seen {
  std::int64_t last[kThreads] = {-1, -1};
};

FakeRunner::Hook Watch(std::vector<Seen>& seen, FakeRunner::Hook then) {
  return [&seen, then = std::move(then)](const Numbers& batch) {
    for (const std::int64_t number : batch) {
      Seen& lane = seen[static_cast<std::size_t>(number / kPerLane)];
      std::int64_t& last = lane.last[number % kPerLane / kPerThread];
      CHECK(number >= last);  // equal: another piece, or alone after its batch threw
      last = number;
    }
    then(batch);
  };
}

using Lanes = std::vector<std::shared_ptr<Lane>>;
using Runners = std::vector<std::shared_ptr<FakeRunner>>;

// One thread that feeds several sessions.
void Feed(Lanes lanes, std::int64_t thread, const Runners& runners, std::uint32_t seed,
          int requests, Tally& tally) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  std::vector<Accepted> accepted;
  for (std::int64_t i = 0; i < requests; ++i) {
    const std::size_t lane = random() % lanes.size();
    const SubmitOptions options = RandomOptions(random);
    const std::int64_t number =
        static_cast<std::int64_t>(lane) * kPerLane + thread * kPerThread + i;
    Accepted a{nullptr, number, options.deadline != kNever, false};
    try {
      const int pieces = 1 + static_cast<int>(random() % 4);
      a.ticket = lanes[lane]->Submit(runners[random() % runners.size()],
                                     std::make_unique<PiecePayload>(number, pieces), options);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kQueueFull || e.kind() == ErrorKind::kClosed ||
            (e.kind() == ErrorKind::kDeadlineExceeded && a.had_deadline));
      tally.refused.fetch_add(1);
      continue;
    }
    tally.accepted.fetch_add(1);
    a.ticket->AddDoneCallback([&tally] { tally.called_back.fetch_add(1); });
    if (chance(15)) a.Cancel();
    if (!accepted.empty() && chance(10)) {
      accepted[random() % accepted.size()].Cancel();
    }
    if (chance(10)) a.ticket->WaitUntil(Clock::now() + microseconds(random() % 500));
    accepted.push_back(std::move(a));
  }
  lanes.clear();  // what is in them finishes all the same
  for (const Accepted& a : accepted) Judge(a, tally);
}

void Round(EngineOptions options, std::size_t count, std::size_t max_waiting, int requests,
           CloseMode mode, bool early, std::uint32_t seed) {
  Tally tally;
  std::vector<Seen> seen(count);
  std::vector<std::weak_ptr<Lane>> left;
  {
    Engine engine(options, NoContexts());
    const BatchLimits live{8, 1 << 30, 1.0, Duration(0), true, 1};
    const BatchLimits company{4, 1 << 30, 1.0, microseconds(200), true};
    const Runners runners = {
        std::make_shared<PieceRunner>(live, Watch(seen, StressHook(false))),
        std::make_shared<FakeRunner>(company, Watch(seen, StressHook(true))),
    };
    Lanes lanes;
    for (std::size_t i = 0; i < count; ++i) lanes.push_back(engine.MakeLane(max_waiting));
    left.assign(lanes.begin(), lanes.end());
    Threads closer;
    if (early) {
      closer.Start([&] {
        const auto third = kThreads * static_cast<std::size_t>(requests) / 3;
        Eventually([&] { return tally.accepted.load() + tally.refused.load() > third; });
        engine.Close(mode);
      });
    }
    Together(kThreads, [&, lanes = std::move(lanes)](std::size_t i) mutable {
      Lanes mine = lanes;
      Feed(std::move(mine), static_cast<std::int64_t>(i), runners,
           seed + static_cast<std::uint32_t>(i), requests, tally);
    });
    closer.Join();
    engine.Close(mode);
    CHECK_EQ(tally.accepted.load() + tally.refused.load(),
             kThreads * static_cast<std::size_t>(requests));
    CheckAccounts(engine, tally);
  }
  for (const auto& lane : left) CHECK(lane.expired());
}

}  // namespace

TEST(OneLane) {
  For(kTime, [](std::uint32_t seed) { Round({3, 16}, 1, 8, 400, CloseMode::kDrain, false, seed); });
}

TEST(ManyLanes) {
  For(kTime,
      [](std::uint32_t seed) { Round({3, 4}, 20, 2, 1000, CloseMode::kDrain, false, seed); });
}

TEST(DrainedWhileSessionsGoOn) {
  For(kTime,
      [](std::uint32_t seed) { Round({4, 8}, 6, 1000, 300, CloseMode::kDrain, true, seed); });
}

TEST(CancelledWhileSessionsGoOn) {
  For(kTime,
      [](std::uint32_t seed) { Round({4, 8}, 6, 1000, 300, CloseMode::kCancel, true, seed); });
}

// Destroyed while a lane still holds requests that others cancel: whoever comes first.
TEST(CancelledByOthersWhileTheEngineEnds) {
  For(kTime, [](std::uint32_t) {
    const auto runner = std::make_shared<FakeRunner>();
    std::vector<std::shared_ptr<Ticket>> tickets;
    std::shared_ptr<Lane> lane;
    Threads threads;
    {
      Engine engine({3, 8}, NoContexts());
      lane = engine.MakeLane(1000);
      for (int i = 0; i < 60; ++i) tickets.push_back(Submit(*lane, runner, i));
      for (std::size_t first = 0; first < 3; ++first) {
        threads.Start([&, first] {
          for (std::size_t i = first; i < tickets.size(); i += 3) tickets[i]->Cancel();
        });
      }
      engine.Close(CloseMode::kDrain);
      CHECK(AddsUp(engine.counters()));
    }
    threads.Join();
    for (const auto& ticket : tickets) CHECK(ticket->finished());
    CHECK(!lane->busy());
    CHECK_EQ(lane->Waiting(), 0u);
  });
}
