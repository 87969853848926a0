// Batches that do not fit the memory, and devices that finish late.
#include <new>
#include <string>

#include "check.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

BatchLimits AtMost(std::size_t requests) { return {requests, 1 << 30, 1.0, Duration(0), false}; }

// Fits what sums up to no more than `room`.
FakeRunner::Hook Room(std::int64_t room) {
  return [room](const Numbers& batch) {
    std::int64_t sum = 0;
    for (const std::int64_t n : batch) sum += n;
    if (sum > room) throw Error(ErrorKind::kOutOfMemory, "too much");
  };
}

struct Loaded {
  explicit Loaded(FakeRunner::Hook hook, const Numbers& numbers)
      : engine({1, 64}, NoContexts()),
        runner(std::make_shared<FakeRunner>(AtMost(64), std::move(hook))) {
    Blocker blocker(engine);
    for (const std::int64_t n : numbers) tickets.push_back(Submit(engine, runner, n));
    blocker.Release();
    for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
    engine.Close(CloseMode::kDrain);
  }
  Engine engine;
  std::shared_ptr<FakeRunner> runner;
  std::vector<std::shared_ptr<Ticket>> tickets;
};

}  // namespace

TEST(ABatchThatDoesNotFitIsHalved) {
  const Loaded l(Room(8), {1, 2, 3, 4, 5, 1, 1, 1});
  for (std::size_t i = 0; i < l.tickets.size(); ++i) CHECK(l.tickets[i]->Get() != nullptr);
  const auto batches = l.runner->batches();
  CHECK_EQ(batches[0].size(), 8u);
  CHECK_EQ(batches[1].size(), 4u);  // 10: does not fit
  CHECK_EQ(batches[2].size(), 2u);  // 3
  CHECK_EQ(batches[3].size(), 2u);  // 7
  CHECK_EQ(batches[4].size(), 4u);  // 8
  CHECK_EQ(batches.size(), 5u);
  CHECK_EQ(l.engine.counters().halved.load(), 2u);
  CHECK_EQ(l.engine.counters().retried_alone.load(), 0u);
  CHECK(AddsUp(l.engine.counters()));
}

TEST(OnlyWhatDoesNotFitByItselfFails) {
  const Loaded l(Room(8), {1, 2, 9, 4, 5, 1, 1});
  for (std::size_t i = 0; i < l.tickets.size(); ++i) {
    if (i == 2) {
      CHECK_EQ(KindOf(*l.tickets[i]), ErrorKind::kOutOfMemory);
      CHECK_EQ(MessageOf(*l.tickets[i]), std::string("too much"));
    } else {
      CHECK(l.tickets[i]->Get() != nullptr);
    }
  }
  CHECK_EQ(l.engine.counters().failed.load(), 1u);
}

TEST(AHalfWithABadRequestIsRunOneByOne) {
  const Loaded l(
      [](const Numbers& batch) {
        if (batch.size() > 4) throw std::bad_alloc();
        for (const std::int64_t n : batch) {
          if (n == 7) throw Error(ErrorKind::kInvalidInput, "seven");
        }
      },
      {1, 7, 3, 4, 5, 6, 8, 9});
  for (std::size_t i = 0; i < l.tickets.size(); ++i) {
    if (i == 1) {
      CHECK_EQ(KindOf(*l.tickets[i]), ErrorKind::kInvalidInput);
    } else {
      CHECK(l.tickets[i]->Get() != nullptr);
    }
  }
  CHECK_EQ(l.engine.counters().halved.load(), 1u);
  CHECK_EQ(l.engine.counters().retried_alone.load(), 4u);
}

TEST(WhatFitsWhenOthersAreDoneDoesNotFail) {
  Engine engine({2, 64}, NoContexts());
  std::atomic<bool> beside{true};
  const auto runner = std::make_shared<FakeRunner>(AtMost(1), [&](const Numbers&) {
    if (beside.load()) throw std::bad_alloc();
  });
  std::shared_ptr<Ticket> ticket;
  {
    Blocker blocker(engine);
    ticket = Submit(engine, runner, 1);
    while (runner->batches().size() < 2) std::this_thread::yield();
    beside.store(false);
  }
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*ticket), 2);
}

// All the workers stand before the same wall: they do not wait for each other, request by request.
TEST(WhatFitsNowhereFailsSoon) {
  constexpr std::size_t kRequests = 64;
  Engine engine({2, 4 * kRequests}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(kRequests / 2), Room(0));
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker all(engine, 2);
    for (std::size_t i = 0; i < kRequests; ++i) tickets.push_back(Submit(engine, runner, 1));
  }
  for (const auto& ticket : tickets) {
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(KindOf(*ticket), ErrorKind::kOutOfMemory);
  }
  engine.Close(CloseMode::kDrain);
  // In halves down to each by itself, once more beside nobody, and a few waits a batch.
  CHECK(runner->batches().size() <= 3 * kRequests + 2 * 10);
  CHECK(AddsUp(engine.counters()));
}

namespace {

// A device whose errors come when its work is waited for.
struct LateContext : WorkerContext {
  explicit LateContext(std::atomic<int>* f) : finished(f) {}
  void Finish() override {
    if (++*finished == 1) throw Error(ErrorKind::kInternal, "late");
  }
  std::atomic<int>* const finished;
};

}  // namespace

TEST(ADeviceIsWaitedForAndItsErrorsFailTheBatch) {
  std::atomic<int> finished{0};
  Engine engine({1, 64}, [&](std::size_t) { return std::make_unique<LateContext>(&finished); });
  const auto runner = std::make_shared<FakeRunner>(AtMost(4));
  const auto first = Submit(engine, runner, 1);
  CHECK(first->WaitUntil(Soon()));
  CHECK_EQ(MessageOf(*first), std::string("late"));
  CHECK_EQ(finished.load(), 2);  // once more after the failure
  const auto second = Submit(engine, runner, 2);
  CHECK(second->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*second), 3);
  CHECK_EQ(finished.load(), 3);
}
