// What becomes of accepted requests: results, batches, failures.
#include "core/engine.h"

#include <algorithm>
#include <optional>
#include <string>

#include "check.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

constexpr std::int64_t kPoison = 13;

FakeRunner::Hook ThrowOnPoison() {
  return [](const Numbers& batch) {
    if (std::count(batch.begin(), batch.end(), kPoison) != 0) {
      throw Error(ErrorKind::kInvalidInput, "poison");
    }
  };
}

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

}  // namespace

TEST(EachTicketGetsItsOwnResult) {
  Engine engine({2, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < 500; ++i) tickets.push_back(Submit(engine, runner, i));
  for (int i = 0; i < 500; ++i) {
    const auto& ticket = tickets[static_cast<std::size_t>(i)];
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(NumberOf(*ticket), i + 1);
  }
  // Whoever has its result finds it counted.
  CHECK_EQ(engine.counters().completed.load(), 500u);
}

TEST(RequestsOfManySubmittersShareBatches) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8));
  {
    Blocker blocker(engine);
    Together(8, [&](std::size_t i) { Submit(engine, runner, static_cast<std::int64_t>(i)); });
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(runner->batches().size(), 1u);
  CHECK_EQ(runner->batches().front().size(), 8u);
  const Counters& c = engine.counters();
  CHECK_EQ(c.batches.load(), 2u);  // the blocker's too
  CHECK_EQ(c.batched_requests.load(), 9u);
}

TEST(BatchesKeepTheOrderOfArrival) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(3));
  {
    Blocker blocker(engine);
    for (int i = 0; i < 7; ++i) Submit(engine, runner, i);
  }
  engine.Close(CloseMode::kDrain);
  const std::vector<Numbers> expected = {{0, 1, 2}, {3, 4, 5}, {6}};
  CHECK(runner->batches() == expected);
}

TEST(TheOptionsKeySeparatesBatches) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  {
    Blocker blocker(engine);
    for (int i = 0; i < 6; ++i) {
      SubmitOptions options;
      options.options_key = static_cast<std::uint64_t>(i % 2);
      Submit(engine, runner, i, options);
    }
  }
  engine.Close(CloseMode::kDrain);
  const std::vector<Numbers> expected = {{0, 2, 4}, {1, 3, 5}};
  CHECK(runner->batches() == expected);
}

TEST(TwoRunnersShareAnEngineButNoBatch) {
  Engine engine({1, 1024}, NoContexts());
  const auto a = std::make_shared<FakeRunner>(AtMost(8));
  const auto b = std::make_shared<FakeRunner>(AtMost(2));
  {
    Blocker blocker(engine);
    for (int i = 0; i < 4; ++i) {
      Submit(engine, a, i);
      Submit(engine, b, 10 + i);
    }
  }
  engine.Close(CloseMode::kDrain);
  CHECK(a->batches() == (std::vector<Numbers>{{0, 1, 2, 3}}));
  CHECK(b->batches() == (std::vector<Numbers>{{10, 11}, {12, 13}}));
}

TEST(OnePoisonedRequestFailsAlone) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), ThrowOnPoison());
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    for (const std::int64_t n : {11, 12, 13, 14, 15}) tickets.push_back(Submit(engine, runner, n));
  }
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK(tickets[i]->WaitUntil(Soon()));
    if (i == 2) {
      CHECK_EQ(KindOf(*tickets[i]), ErrorKind::kInvalidInput);
    } else {
      CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 12);
    }
  }
  const Counters& c = engine.counters();
  CHECK_EQ(c.failed.load(), 1u);
  CHECK_EQ(c.completed.load(), 5u);  // and the blocker
  CHECK_EQ(c.retried_alone.load(), 5u);
}

TEST(ALonePoisonedRequestIsNotRunTwice) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), ThrowOnPoison());
  const auto ticket = Submit(engine, runner, kPoison);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*ticket), ErrorKind::kInvalidInput);
  CHECK_EQ(engine.counters().failed.load(), 1u);  // whoever has its failure finds it counted
  CHECK_EQ(runner->batches().size(), 1u);
}

TEST(WhateverARunnerThrowsFailsItsRequest) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [](const Numbers& batch) {
    if (batch[0] == 1) throw std::runtime_error("broken");
    if (batch[0] == 2) throw 42;
    if (batch[0] == 3) throw std::bad_alloc();
  });
  for (int i = 1; i <= 3; ++i) {
    const auto ticket = Submit(engine, runner, i);
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(KindOf(*ticket), i == 3 ? ErrorKind::kOutOfMemory : ErrorKind::kInternal);
  }
  const auto good = Submit(engine, runner, 4);  // the worker lives on
  CHECK(good->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*good), 5);
}

TEST(AWrongNumberOfResultsFailsTheRequest) {
  struct Wrong : FakeRunner {
    Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
      Results results = FakeRunner::Run(context, batch);
      const auto kind = static_cast<const NumberPayload*>(batch[0])->value;
      if (kind == 0) results.clear();
      if (kind == 1) results.push_back(results[0]);
      if (kind == 2) results[0] = nullptr;
      if (batch.size() > 1) results.pop_back();  // wrong together, right alone
      return results;
    }
  };
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<Wrong>();
  for (int i = 0; i < 3; ++i) {
    const auto ticket = Submit(engine, runner, i);
    CHECK(ticket->WaitUntil(Soon()));
    CHECK_EQ(KindOf(*ticket), ErrorKind::kInternal);
  }
  std::vector<std::shared_ptr<Ticket>> tickets;
  {
    Blocker blocker(engine);
    for (int i = 5; i < 8; ++i) tickets.push_back(Submit(engine, runner, i));
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()) && NumberOf(*ticket) > 5);
}

TEST(CountsLengthsAndPadding) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  {
    Blocker blocker(engine);
    for (const std::int64_t length : {10, 4, -5}) {  // a length is at least 1
      SubmitOptions options;
      options.length = length;
      Submit(engine, runner, 0, options);
    }
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().batch_length.load(), 16u);  // the blocker's 1 too
  CHECK_EQ(engine.counters().batch_cost.load(), 31u);
}

TEST(WaitsForCompanyUntilTheBatchIsFull) {
  Engine engine({2, 8}, NoContexts());
  // An hour: only a full batch, or closing, can end the wait within the test.
  const BatchLimits limits{2, 1 << 30, 1.0, std::chrono::hours(1), false};
  const auto runner = std::make_shared<FakeRunner>(limits);
  const auto first = Submit(engine, runner, 1);
  const auto second = Submit(engine, runner, 2);
  CHECK(first->WaitUntil(Soon()) && second->WaitUntil(Soon()));
  CHECK(runner->batches() == (std::vector<Numbers>{{1, 2}}));
  const auto third = Submit(engine, runner, 3);
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(NumberOf(*third), 4);
}

TEST(WhoPausesForAMomentKeepsItsShare) {
  WorkerLoad load(2);
  const WorkerLoad::Busy one(load);
  CHECK_EQ(load.Share(), std::size_t{2});
  {
    const WorkerLoad::Busy other(load);
  }
  const TimePoint now = Clock::now();
  CHECK_EQ(load.Share(now), std::size_t{1});
  CHECK_EQ(load.Share(now + WorkerLoad::kRemembered), std::size_t{2});
}

TEST(AWorkerSeesWhatOthersLeaveToIt) {
  struct Watching : WorkerContext {
    void Watch(const WorkerLoad& given) override { load = &given; }
    const WorkerLoad* load = nullptr;
  };
  struct ShareRunner : FakeRunner {
    using FakeRunner::FakeRunner;
    Results Run(WorkerContext& context, const std::vector<Payload*>&) const override {
      const std::size_t share = static_cast<Watching&>(context).load->Share();
      return {std::make_shared<NumberResult>(static_cast<std::int64_t>(share))};
    }
  };
  const auto share_of_one_more = [](std::size_t workers, std::size_t busy) {
    Engine engine({workers, 8}, [](std::size_t) { return std::make_unique<Watching>(); });
    std::optional<Blocker> blocker;
    if (busy > 0) blocker.emplace(engine, busy);
    const auto ticket = Submit(engine, std::make_shared<ShareRunner>(AtMost(1)), 1);
    CHECK(ticket->WaitUntil(Soon()));
    return NumberOf(*ticket);
  };
  CHECK_EQ(share_of_one_more(4, 0), 4);
  CHECK_EQ(share_of_one_more(4, 1), 2);
  CHECK_EQ(share_of_one_more(4, 2), 1);  // equal parts only
  CHECK_EQ(share_of_one_more(4, 3), 1);
  CHECK_EQ(share_of_one_more(1, 0), 1);
}
