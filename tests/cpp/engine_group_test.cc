// Several engines as one: who gets what, and that closing closes all.
#include "core/engine_group.h"

#include <set>
#include <string>

#include "check.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

// Knows which engine it works for.
struct Placed : WorkerContext {
  explicit Placed(std::size_t e) : engine(e) {}
  const std::size_t engine;
};

EngineGroup::ContextFactory Places() {
  return [](std::size_t engine, std::size_t) { return std::make_unique<Placed>(engine); };
}

// Answers with the engine that ran it; holds what is negative until it is released.
class WhereRunner : public Runner {
 public:
  WhereRunner() : Runner({1, 1 << 30, 1.0, Duration(0), false}) {}
  Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
    Results results;
    for (const Payload* p : batch) {
      if (static_cast<const NumberPayload*>(p)->value < 0) {
        ++held;
        release.Wait();
      }
      const auto engine = static_cast<const Placed&>(context).engine;
      results.push_back(std::make_shared<NumberResult>(static_cast<std::int64_t>(engine)));
    }
    return results;
  }
  mutable std::atomic<int> held{0};
  mutable Event release;
};

std::shared_ptr<Ticket> Give(EngineGroup& group, const std::shared_ptr<const Runner>& runner,
                             std::int64_t number) {
  return group.Submit(runner, std::make_unique<NumberPayload>(number), {});
}

}  // namespace

TEST(ARequestGoesWhereThereIsLeastToDo) {
  EngineGroup group(3, {1, 64}, Places());
  const auto runner = std::make_shared<WhereRunner>();
  // Two of the three have something that does not end.
  std::vector<std::shared_ptr<Ticket>> held;
  for (int i = 0; i < 2; ++i) held.push_back(Give(group, runner, -1));
  while (runner->held.load() < 2) std::this_thread::yield();
  std::set<std::int64_t> free;
  for (int i = 0; i < 9; ++i) {
    const auto ticket = Give(group, runner, 1);
    CHECK(ticket->WaitUntil(Soon()));
    free.insert(NumberOf(*ticket));
  }
  CHECK_EQ(free.size(), 1u);
  runner->release.Set();
  std::set<std::int64_t> busy;
  for (const auto& ticket : held) {
    CHECK(ticket->WaitUntil(Soon()));
    busy.insert(NumberOf(*ticket));
  }
  CHECK_EQ(busy.size(), 2u);
  CHECK_EQ(busy.count(*free.begin()), 0u);
}

TEST(EqualsTakeTurns) {
  EngineGroup group(2, {1, 64}, Places());
  const auto runner = std::make_shared<WhereRunner>();
  std::set<std::int64_t> seen;
  for (int i = 0; i < 4; ++i) {
    const auto ticket = Give(group, runner, 1);
    CHECK(ticket->WaitUntil(Soon()));
    seen.insert(NumberOf(*ticket));
  }
  CHECK_EQ(seen.size(), 2u);
}

TEST(LanesAreSpreadAndStayWhereTheyAre) {
  EngineGroup group(2, {1, 64}, Places());
  const auto runner = std::make_shared<WhereRunner>();
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < 6; ++i) lanes.push_back(group.MakeLane(8));
  CHECK_EQ(group[0].Lanes(), 3u);
  CHECK_EQ(group[1].Lanes(), 3u);
  for (const auto& lane : lanes) {
    std::set<std::int64_t> seen;
    for (int i = 0; i < 5; ++i) {
      const auto ticket = Submit(*lane, runner, 1);
      CHECK(ticket->WaitUntil(Soon()));
      seen.insert(NumberOf(*ticket));
    }
    CHECK_EQ(seen.size(), 1u);
  }
  // What is given back counts no more.
  lanes.erase(lanes.begin(), lanes.begin() + 4);
  for (int i = 0; i < 4; ++i) lanes.push_back(group.MakeLane(8));
  CHECK_EQ(group[0].Lanes(), 3u);
  CHECK_EQ(group[1].Lanes(), 3u);
}

namespace {

// A device that cannot be waited for while it is broken.
struct Breakable : Placed {
  Breakable(std::size_t e, const std::atomic<bool>* b) : Placed(e), broken(b) {}
  void Finish() override {
    if (engine == 0 && broken->load()) throw std::runtime_error("out of order");
  }
  const std::atomic<bool>* const broken;
};

}  // namespace

TEST(ABrokenDeviceGetsNothingAsLongAsThereIsAnother) {
  std::atomic<bool> broken{true};
  EngineGroup group(2, {1, 64}, [&](std::size_t engine, std::size_t) {
    return std::make_unique<Breakable>(engine, &broken);
  });
  const auto runner = std::make_shared<WhereRunner>();
  int failed = 0;
  for (int i = 0; i < 16; ++i) {
    const auto ticket = Give(group, runner, 1);
    CHECK(ticket->WaitUntil(Soon()));
    if (group[0].counters().failed.load() > static_cast<std::uint64_t>(failed)) {
      ++failed;
      CHECK(group[0].out_of_order());
    } else {
      CHECK_EQ(NumberOf(*ticket), 1);
    }
  }
  CHECK_EQ(failed, 1);
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < 4; ++i) lanes.push_back(group.MakeLane(8));
  CHECK_EQ(group[0].Lanes(), 0u);
  CHECK_EQ(group[1].Lanes(), 4u);

  // All of them: then it makes no difference, and a batch that succeeds counts for its device.
  EngineGroup alone(1, {1, 64}, [&](std::size_t engine, std::size_t) {
    return std::make_unique<Breakable>(engine, &broken);
  });
  CHECK(Give(alone, runner, 1)->WaitUntil(Soon()));
  CHECK(alone[0].out_of_order());
  broken.store(false);
  const auto ticket = Give(alone, runner, 1);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK(ticket->Get() != nullptr);
  CHECK(!alone[0].out_of_order());
}

TEST(ClosingClosesAllAndDrains) {
  EngineGroup group(2, {1, 64}, Places());
  const auto runner = std::make_shared<WhereRunner>();
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 2; ++i) tickets.push_back(Give(group, runner, -1));
  while (runner->held.load() < 2) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) tickets.push_back(Give(group, runner, 1));
  CHECK(!group.CloseUntil(CloseMode::kDrain, Clock::now()));
  CHECK(group.closed());
  CHECK_EQ(KindOf([&] { Give(group, runner, 1); }), ErrorKind::kClosed);
  runner->release.Set();
  CHECK(group.CloseUntil(CloseMode::kDrain, kNever));
  for (const auto& ticket : tickets) CHECK(ticket->Get() != nullptr);
  for (std::size_t i = 0; i < group.size(); ++i) CHECK(AddsUp(group[i].counters()));
}

TEST(AGroupOfNoneIsRefused) {
  CHECK_THROWS(EngineGroup(0, {1, 8}, Places()), std::invalid_argument);
}

TEST(AnEngineThatCannotStartStopsTheOthers) {
  const auto broken = [](std::size_t engine, std::size_t) -> std::unique_ptr<WorkerContext> {
    if (engine == 1) throw std::runtime_error("no such device");
    return std::make_unique<Placed>(engine);
  };
  std::string message;
  try {
    EngineGroup group(2, {2, 8}, broken);
  } catch (const std::runtime_error& e) {
    message = e.what();
  }
  CHECK_EQ(message, std::string("no such device"));
}
