// A device that goes out of order: what waited there is answered by the others, and what may have
// broken it is not sent on to break the next.
#include <array>
#include <set>
#include <string>

#include "check.h"
#include "core/engine_group.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

constexpr std::int64_t kHeld = -1, kPoison = -2;

// A device with its state and with what holds it up.
struct Place {
  std::atomic<bool> broken{false};
  std::atomic<int> held{0};
  Event release;
};

using Places = std::array<Place, 2>;

struct AtPlace : WorkerContext {
  AtPlace(Places* all, std::size_t e) : place((*all)[e]), engine(e) {}
  void Finish() override {
    if (place.broken) throw std::runtime_error("out of order");
  }
  Place& place;
  const std::size_t engine;
};

EngineGroup::ContextFactory At(Places* places) {
  return [places](std::size_t engine, std::size_t) {
    return std::make_unique<AtPlace>(places, engine);
  };
}

// Answers with the engine that ran it.
class PlaceRunner : public Runner {
 public:
  explicit PlaceRunner(std::size_t batch) : Runner({batch, 1 << 30, 1.0, Duration(0), false}) {}
  Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
    auto& here = static_cast<AtPlace&>(context);
    Results results;
    for (const Payload* p : batch) {
      const std::int64_t value = static_cast<const NumberPayload*>(p)->value;
      if (value == kHeld) {
        ++here.place.held;
        here.place.release.Wait();
      }
      if (value == kPoison) here.place.broken = true;
      results.push_back(std::make_shared<NumberResult>(static_cast<std::int64_t>(here.engine)));
    }
    return results;
  }
};

using Tickets = std::vector<std::shared_ptr<Ticket>>;

// Two devices, a worker each. Held up: one request runs on each, and what comes now waits.
struct Held {
  explicit Held(std::size_t batch = 1, std::size_t queue_size = 64)
      : runner(std::make_shared<PlaceRunner>(batch)), group(2, {1, queue_size}, At(&places)) {
    for (int i = 0; i < 2; ++i) held.push_back(Give(kHeld));
    CHECK(Eventually([this] { return places[0].held == 1 && places[1].held == 1; }));
  }
  ~Held() {
    for (Place& place : places) place.release.Set();
  }
  std::shared_ptr<Ticket> Give(std::int64_t number, TimePoint deadline = kNever) {
    SubmitOptions options;
    options.deadline = deadline;
    return group.Submit(runner, std::make_unique<NumberPayload>(number), options);
  }
  // Half of them for each device.
  Tickets GiveMany(int count, TimePoint deadline = kNever) {
    Tickets tickets;
    for (int i = 0; i < count; ++i) tickets.push_back(Give(1, deadline));
    return tickets;
  }
  void Break(std::size_t engine) {
    places[engine].broken = true;
    places[engine].release.Set();
  }
  std::uint64_t Moved(std::size_t engine) const { return group[engine].counters().moved.load(); }
  bool AllAddUp() {
    group.CloseUntil(CloseMode::kDrain, kNever);
    return AddsUp(group[0].counters()) && AddsUp(group[1].counters());
  }

  Places places;
  const std::shared_ptr<const PlaceRunner> runner;
  EngineGroup group;
  Tickets held;
};

std::size_t Failed(const Tickets& tickets) {
  std::size_t failed = 0;
  for (const auto& ticket : tickets) {
    CHECK(ticket->WaitUntil(Soon()));
    if (ticket->state() == TicketState::kFailed) {
      CHECK_EQ(KindOf(*ticket), ErrorKind::kInternal);
      ++failed;
    } else {
      CHECK_EQ(NumberOf(*ticket), 1);
    }
  }
  return failed;
}

}  // namespace

TEST(WhatWaitedOnABrokenDeviceIsAnsweredByAnother) {
  Held h;
  const Tickets waiting = h.GiveMany(20);
  h.Break(0);
  CHECK(Eventually([&] { return h.Moved(0) == 10; }));
  h.places[1].release.Set();
  CHECK_EQ(Failed(waiting), 0u);
  CHECK_EQ(Failed(h.held), 1u);  // it ran when the device broke
  CHECK(h.AllAddUp());
  CHECK_EQ(h.group[0].counters().submitted.load(), 1u);
  CHECK_EQ(h.group[1].counters().submitted.load(), 21u);
}

TEST(ItWaitsForRoomThere) {
  Held h(1, 4);
  const Tickets waiting = h.GiveMany(8);
  h.Break(0);
  CHECK(Eventually([&] { return h.group[0].out_of_order(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));  // longer than it waits at a time
  h.places[1].release.Set();
  CHECK_EQ(Failed(waiting), 0u);
  CHECK_EQ(h.Moved(0), 4u);
  CHECK(h.AllAddUp());
}

TEST(ItsDeadlineHoldsWhileItWaitsForRoom) {
  Held h(1, 4);
  const TimePoint soon = Clock::now() + std::chrono::seconds(1);
  const Tickets late = h.GiveMany(8, soon);
  h.Break(0);
  // Without an end to what runs on the other device: that worker tells it.
  CHECK(Eventually([&] { return h.group[0].counters().expired.load() == 4; }));
  h.places[1].release.Set();
  for (const auto& ticket : late) {
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(KindOf(*ticket), ErrorKind::kDeadlineExceeded);
  }
  CHECK_EQ(h.Moved(0), 0u);
  CHECK(h.AllAddUp());
}

TEST(ItCanBeCancelledAndItsDeadlineHolds) {
  Held h(1, 8);
  Tickets cancelled, late, good;
  const TimePoint soon = Clock::now() + std::chrono::seconds(1);
  for (int i = 0; i < 4; ++i) {
    good.push_back(h.Give(1));
    cancelled.push_back(h.Give(1));
    late.push_back(h.Give(1, soon));
  }
  h.Break(0);
  CHECK(Eventually([&] { return h.group[0].out_of_order(); }));
  for (const auto& ticket : cancelled) CHECK(ticket->Cancel());
  std::this_thread::sleep_until(soon);
  h.places[1].release.Set();
  CHECK_EQ(Failed(good), 0u);
  for (const auto& ticket : late) {
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(KindOf(*ticket), ErrorKind::kDeadlineExceeded);
  }
  CHECK(h.AllAddUp());
}

TEST(ClosingEndsTheWaitForRoom) {
  Held h(1, 4);
  const Tickets waiting = h.GiveMany(8);
  h.Break(0);
  CHECK(Eventually([&] { return h.group[0].out_of_order(); }));
  CHECK(!h.group.CloseUntil(CloseMode::kCancel, Clock::now()));
  h.places[1].release.Set();
  CHECK(h.group.CloseUntil(CloseMode::kCancel, Soon()));
  for (const auto& ticket : waiting) CHECK_EQ(ticket->state(), TicketState::kFailed);
  CHECK(h.AllAddUp());
}

TEST(WhatMayHaveBrokenADeviceIsNotSentOn) {
  Held h(8);
  Tickets company;
  for (int i = 0; i < 8; ++i) {
    // Every other one comes to the device that the poison comes to, in one batch with it.
    company.push_back(h.Give(i < 2 ? kPoison : 1));
  }
  // The second poison is for the other device, which is to stay in order.
  CHECK(company[1]->Cancel());
  for (Place& place : h.places) place.release.Set();
  std::size_t failed = 0;
  for (const auto& ticket : company) {
    CHECK(ticket->WaitUntil(Soon()));
    failed += ticket->state() == TicketState::kFailed;
  }
  CHECK_EQ(failed, 4u);
  CHECK_EQ(h.group[0].counters().moved.load() + h.group[1].counters().moved.load(), 0u);
  CHECK(h.group[0].out_of_order() != h.group[1].out_of_order());
  CHECK(h.AllAddUp());
}

TEST(WhatIsInALaneStays) {
  Held h;
  std::vector<std::shared_ptr<Lane>> lanes;
  Tickets tickets;
  for (int i = 0; i < 6; ++i) {
    lanes.push_back(h.group.MakeLane(8));
    tickets.push_back(Submit(*lanes.back(), h.runner, 1));
  }
  h.Break(0);
  h.places[1].release.Set();
  CHECK_EQ(Failed(tickets), 3u);
  CHECK_EQ(h.Moved(0), 0u);
  lanes.clear();
  CHECK(h.AllAddUp());
}

// A later stage is moved as well, and needs no room there either. Priorities go with it.
TEST(WhatIsDirectIsMovedWithoutWaiting) {
  Held h(1, 1);
  SubmitOptions direct;
  direct.direct = true;
  Tickets stages;
  for (int i = 0; i < 10; ++i) {
    direct.priority = i % 3;
    stages.push_back(h.group.Submit(h.runner, std::make_unique<NumberPayload>(1), direct));
  }
  h.Break(0);
  CHECK(Eventually([&] { return h.Moved(0) == 5; }));
  h.places[1].release.Set();
  CHECK_EQ(Failed(stages), 0u);
  CHECK(h.AllAddUp());
}

TEST(WhereAllAreBrokenEverythingFails) {
  Held h;
  const Tickets waiting = h.GiveMany(20);
  h.Break(1);
  h.Break(0);
  for (const auto& ticket : waiting) {
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(ticket->state(), TicketState::kFailed);
  }
  CHECK(h.AllAddUp());
}

TEST(DevicesThatComeAndGoLoseNothing) {
  Places places;
  for (Place& place : places) place.release.Set();
  const auto runner = std::make_shared<PlaceRunner>(4);
  EngineGroup group(2, {2, 16}, At(&places));
  std::atomic<bool> end{false};
  std::atomic<int> good{0}, failed{0};
  Threads flicker;
  flicker.Start([&] {
    for (std::size_t i = 0; !end; ++i) {
      places[i % 2].broken = i % 3 != 0;
      std::this_thread::yield();
    }
  });
  constexpr int kEach = Scaled(2000);
  Together(8, [&](std::size_t) {
    for (int i = 0; i < kEach; ++i) {
      SubmitOptions options;
      options.give_up = kNever;
      const auto ticket = group.Submit(runner, std::make_unique<NumberPayload>(1), options);
      if (!ticket->WaitUntil(Soon())) break;
      ++(ticket->state() == TicketState::kDone ? good : failed);
    }
  });
  end = true;
  flicker.Join();
  CHECK_EQ(good + failed, 8 * kEach);
  group.CloseUntil(CloseMode::kDrain, kNever);
  // Of each alone too: what was moved is counted where it ended.
  for (std::size_t i = 0; i < 2; ++i) CHECK(AddsUp(group[i].counters()));
}
