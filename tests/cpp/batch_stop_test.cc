// A batch that runs and that nobody wants any more stops between its layers.
#include "core/batch_stop.h"

#include <algorithm>
#include <random>

#include "check.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "stress.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::milliseconds;

namespace {

BatchLimits AtMost(std::size_t n) { return {n, 1 << 30, 1.0, Duration(0), false}; }

// Looks between its layers whether anybody wants the batch. Numbers below zero have layers without
// end, the others one. The first look comes after `ready` is set.
class LayeredRunner : public FakeRunner {
 public:
  using FakeRunner::FakeRunner;

  Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
    Results results = FakeRunner::Run(context, batch);
    const bool endless = std::any_of(batch.begin(), batch.end(), [](const Payload* p) {
      return static_cast<const NumberPayload*>(p)->value < 0;
    });
    do {
      ready.Set();
      ++looks;
      context.ThrowIfUnwanted();
      if (endless) std::this_thread::sleep_for(milliseconds(1));
    } while (endless && !finish.load());
    return results;
  }

  mutable Event ready;
  mutable std::atomic<int> looks{0};
  std::atomic<bool> finish{false};
};

RequestPtr MakeRunning(TimePoint deadline = kNever) {
  auto request = std::make_unique<Request>();
  request->deadline = deadline;
  request->ticket = std::make_shared<Ticket>();
  request->ticket->TryStart();
  return request;
}

}  // namespace

TEST(OnlyWhatNobodyWantsIsStopped) {
  std::atomic<bool> closing{false};
  std::vector<RequestPtr> requests;
  for (int i = 0; i < 3; ++i) requests.push_back(MakeRunning());
  requests.push_back(MakeRunning(Clock::now()));
  const BatchStop stop(requests.data(), requests.size(), closing);
  CHECK(!stop.ShouldStop());
  for (int i = 0; i < 3; ++i) {
    CHECK(!stop.ShouldStop());
    requests[static_cast<std::size_t>(i)]->ticket->Cancel();
  }
  CHECK(stop.ShouldStop());
  CHECK_EQ(KindOf([&] { stop.ThrowIfStopped(); }), ErrorKind::kCancelled);
  CHECK(WhyUnwanted(*requests[0], true) == ErrorKind::kCancelled);
  CHECK(WhyUnwanted(*requests[3], true) == ErrorKind::kDeadlineExceeded);

  const RequestPtr wanted = MakeRunning(Clock::now() + std::chrono::hours(1));
  const BatchStop until_closed(&wanted, 1, closing);
  CHECK(!until_closed.ShouldStop());
  closing.store(true);
  CHECK(until_closed.ShouldStop());
  CHECK(WhyUnwanted(*wanted, true) == ErrorKind::kClosed);
}

// Whoever gave up waiting knows that its stream has heard the chunk.
TEST(ALateChunkOfALaneIsTakenToItsEnd) {
  std::atomic<bool> closing{false};
  const RequestPtr chunk = MakeRunning(Clock::now());
  chunk->of_lane = true;
  const BatchStop stop(&chunk, 1, closing);
  CHECK(!stop.ShouldStop());
  chunk->ticket->Cancel();
  CHECK(stop.ShouldStop());
}

TEST(OutsideARunAContextStopsNothing) {
  NoContext context;
  context.ThrowIfUnwanted();
  const std::atomic<bool> closing{true};
  const RequestPtr request = MakeRunning();
  const BatchStop stop(&request, 1, closing);
  {
    const WorkerContext::Run run(context, stop);
    CHECK_THROWS(context.ThrowIfUnwanted(), Error);
  }
  context.ThrowIfUnwanted();
}

TEST(ACancelledOneStopsBetweenItsLayers) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(8));
  const auto lane = engine.MakeLane(8);
  const auto endless = Submit(*lane, runner, -1), next = Submit(*lane, runner, 1);
  CHECK(runner->ready.Wait());
  CHECK(!endless->Cancel());
  CHECK(endless->WaitUntil(Soon()));
  CHECK_EQ(endless->state(), TicketState::kCancelled);
  CHECK(Contains(MessageOf(*endless), "while it ran"));
  CHECK_EQ(engine.counters().cancelled.load(), 1u);
  CHECK(next->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*next), 2);
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().failed.load(), 0u);
  CHECK_EQ(runner->batches().size(), 2u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ALateOneStopsBetweenItsLayers) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(8));
  SubmitOptions options;
  options.deadline = Later();
  const auto ticket = Submit(engine, runner, -1, options);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(KindOf(*ticket), ErrorKind::kDeadlineExceeded);
  CHECK(Contains(MessageOf(*ticket), "partly done"));
  CHECK_EQ(engine.counters().expired.load(), 1u);
  CHECK_EQ(engine.counters().failed.load(), 0u);
}

TEST(ClosingWithCancelStopsWhatRuns) {
  Engine engine({2, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(1));
  const auto a = Submit(engine, runner, -1), b = Submit(engine, runner, -2);
  CHECK(Eventually([&] { return runner->batches().size() == 2; }));
  engine.Close(CloseMode::kCancel);
  for (const auto& ticket : {a, b}) CHECK_EQ(KindOf(*ticket), ErrorKind::kClosed);
  CHECK_EQ(engine.counters().failed.load(), 2u);
}

TEST(ClosingWithDrainStopsNothing) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(8));
  const auto ticket = Submit(engine, runner, -1);
  CHECK(runner->ready.Wait());
  Threads closer;
  closer.Start([&] { engine.Close(CloseMode::kDrain); });
  CHECK(Eventually([&] { return engine.closed(); }));
  const int looks = runner->looks.load();
  CHECK(Eventually([&] { return runner->looks.load() > looks + 5; }));
  runner->finish.store(true);
  closer.Join();
  CHECK_EQ(NumberOf(*ticket), 0);
}

TEST(AllOfABatchAreAnsweredEachWithItsReason) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(8));
  std::vector<std::shared_ptr<Ticket>> tickets;
  SubmitOptions late;
  {
    Blocker blocker(engine);
    late.deadline = Later();
    for (int i = 0; i < 4; ++i) {
      tickets.push_back(Submit(engine, runner, -1, i == 1 ? late : SubmitOptions()));
    }
  }
  CHECK(runner->ready.Wait());
  for (std::size_t i = 0; i < 4; ++i) {
    if (i != 1) CHECK(!tickets[i]->Cancel());
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK_EQ(KindOf(*tickets[i]), i == 1 ? ErrorKind::kDeadlineExceeded : ErrorKind::kCancelled);
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(runner->batches().size(), 1u);  // nobody was left to run again
  CHECK_EQ(engine.counters().cancelled.load(), 3u);
  CHECK_EQ(engine.counters().expired.load(), 1u);
  CHECK_EQ(engine.counters().retried_alone.load(), 0u);
  CHECK(AddsUp(engine.counters()));
}

TEST(WhereOneIsWantedTheBatchGoesOn) {
  Engine engine({1, 8}, NoContexts());
  const auto runner = std::make_shared<LayeredRunner>(AtMost(8));
  std::shared_ptr<Ticket> wanted, unwanted;
  {
    Blocker blocker(engine);
    unwanted = Submit(engine, runner, -5);
    wanted = Submit(engine, runner, 5);
  }
  CHECK(runner->ready.Wait());
  CHECK(!unwanted->Cancel());
  const int looks = runner->looks.load();
  CHECK(Eventually([&] { return runner->looks.load() > looks + 5; }));
  runner->finish.store(true);
  CHECK(wanted->WaitUntil(Soon()) && unwanted->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*wanted), 6);
  CHECK_EQ(NumberOf(*unwanted), -4);  // it was done anyway
  CHECK_EQ(runner->batches().size(), 1u);
}

// What throws for another reason: who is not wanted is not run again, the others are.
TEST(AfterAFailureOnlyTheWantedRunAgain) {
  Engine engine({1, 8}, NoContexts());
  std::vector<std::shared_ptr<Ticket>> tickets;
  const auto runner = std::make_shared<FakeRunner>(AtMost(8), [&](const Numbers& batch) {
    if (batch.size() == 1) return;
    tickets[1]->Cancel();
    throw std::runtime_error("together it does not work");
  });
  {
    Blocker blocker(engine);
    for (int i = 0; i < 3; ++i) tickets.push_back(Submit(engine, runner, i));
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  CHECK(runner->batches() == (std::vector<Numbers>{{0, 1, 2}, {0}, {2}}));
  CHECK_EQ(tickets[1]->state(), TicketState::kCancelled);
  CHECK_EQ(NumberOf(*tickets[2]), 3);
  CHECK_EQ(engine.counters().retried_alone.load(), 2u);
}

// Cancels at any moment, of runners that look and of those that come in pieces.
TEST(CancelledAtAnyMoment) {
  For(kTime, [](std::uint32_t seed) {
    Engine engine({3, 256}, NoContexts());
    const auto layers = std::make_shared<LayeredRunner>(AtMost(4), StressHook(true));
    const auto pieces = std::make_shared<PieceRunner>(AtMost(4), StressHook(true));
    std::atomic<std::uint64_t> cancelled{0}, done{0};
    std::vector<std::shared_ptr<Lane>> lanes;
    for (int i = 0; i < 4; ++i) lanes.push_back(engine.MakeLane(100));
    Together(3, [&](std::size_t thread) {
      std::mt19937 random(seed + static_cast<std::uint32_t>(thread));
      std::vector<std::shared_ptr<Ticket>> tickets;
      for (int i = 0; i < 60; ++i) {
        const bool endless = random() % 4 == 0;  // only a cancel ends it
        SubmitOptions options;
        options.options_key = endless;  // or those would keep the others from ending
        auto payload = std::make_unique<PiecePayload>(endless ? -1 : 1, 1 + int(random() % 5));
        std::shared_ptr<const Runner> runner = layers;
        if (!endless && random() % 2 == 0) runner = pieces;
        tickets.push_back(random() % 2 == 0
                              ? engine.Submit(runner, std::move(payload), options)
                              : lanes[random() % 4]->Submit(runner, std::move(payload), options));
        if (random() % 2 == 0) std::this_thread::sleep_for(microseconds(random() % 200));
        if (endless || random() % 3 == 0) tickets.back()->Cancel();
      }
      for (const auto& ticket : tickets) {
        CHECK(ticket->WaitUntil(Soon()));
        ++(ticket->state() == TicketState::kCancelled ? cancelled : done);
      }
    });
    engine.Close(CloseMode::kDrain);
    CHECK_EQ(engine.counters().cancelled.load(), cancelled.load());
    CHECK_EQ(engine.counters().completed.load(), done.load());
    CHECK(AddsUp(engine.counters()));
  });
}
