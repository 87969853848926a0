// Memory that runs out at any one place: what was accepted is neither lost nor doubled, what was
// refused leaves nothing behind.
#include <cstdlib>
#include <new>

#include "bindings/completion_queue.h"
#include "check.h"
#include "core/engine.h"
#include "core/lane.h"
#include "fake_runner.h"
#include "support.h"

namespace {

// Allocations of this thread until one fails; 0: none will.
thread_local int until_failure = 0;

void* TryAllocate(std::size_t size) noexcept {
  if (until_failure > 0 && --until_failure == 0) return nullptr;
  return std::malloc(size > 0 ? size : 1);
}

void* Allocate(std::size_t size) {
  if (void* memory = TryAllocate(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return TryAllocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return TryAllocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace safeasr::core;

namespace {

constexpr int kEnough = 100;  // more allocations than any of the operations below makes

// Does work with the first allocation failing, then the second, and so on, until none fails any
// more. Returns how often it threw std::bad_alloc.
int FailEach(const std::function<void()>& work) {
  for (int n = 1; n < kEnough; ++n) {
    bool failed = false;
    until_failure = n;
    try {
      work();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    until_failure = 0;
    if (!failed) return n - 1;
  }
  CHECK(!"it never succeeds");
  return kEnough;
}

RequestPtr Make(const std::shared_ptr<const Runner>& runner, std::int64_t number) {
  auto request = std::make_unique<Request>();
  request->key = {runner->id(), 0, 0};
  request->runner = runner;
  request->payload = std::make_unique<NumberPayload>(number);
  request->ticket = std::make_shared<Ticket>();
  return request;
}

}  // namespace

TEST(ThePoolLosesNothing) {
  RequestQueue<RequestPtr> queue(64);
  PendingPool pool(4);
  const auto runner = std::make_shared<FakeRunner>(BatchLimits{1000, 1 << 30, 1.0});
  std::size_t pushed = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 3; ++i, ++pushed) {
      RequestPtr request = Make(runner, static_cast<std::int64_t>(pushed));
      CHECK_EQ(queue.TryPush(request), PushResult::kOk);
    }
    Batch batch;
    CHECK(FailEach([&] { batch = pool.Take(queue, TimePoint{}, 1); }) > 0);
    CHECK_EQ(batch.requests.size(), pushed);  // all that ever came are unfinished
    std::int64_t sum = 0;
    RequestChain unfinished;
    for (RequestPtr& r : batch.requests) {
      sum += static_cast<const NumberPayload&>(*r->payload).value;
      r->begun = r->direct = true;
      unfinished.Append(std::move(r));
    }
    CHECK_EQ(sum, static_cast<std::int64_t>(pushed * (pushed - 1) / 2));
    until_failure = 1;
    pool.PutBack(unfinished);
    until_failure = 0;
  }
}

TEST(ADirectSubmitIsAcceptedOrLeavesNothing) {
  Engine engine({1, 64}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  SubmitOptions direct;
  direct.direct = true;
  std::vector<std::shared_ptr<Ticket>> tickets;
  tickets.reserve(50);
  {
    Blocker blocker(engine);
    for (int i = 0; i < 50; ++i) {
      CHECK(FailEach([&] { tickets.push_back(Submit(engine, runner, i, direct)); }) > 0);
    }
    CHECK_EQ(engine.Waiting(), 50u);
  }
  engine.Close(CloseMode::kDrain);
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  CHECK_EQ(engine.counters().submitted.load(), 51u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ALaneIsOpenedOrNotCounted) {
  EngineOptions options{1, 8};
  options.max_lanes = 2;
  Engine engine(options, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  std::shared_ptr<Lane> first, second;
  CHECK(FailEach([&] { first = engine.MakeLane(1); }) > 0);
  CHECK(FailEach([&] { second = engine.MakeLane(1); }) > 0);
  CHECK_EQ(engine.Lanes(), 2u);
  // The first request of an idle lane: as before, or in the engine.
  std::shared_ptr<Ticket> ticket;
  CHECK(FailEach([&] { ticket = Submit(*first, runner, 1); }) > 0);
  CHECK(ticket->WaitUntil(Soon()));
  CHECK_EQ(NumberOf(*ticket), 2);
  first.reset();
  second.reset();
  CHECK(Eventually([&] { return engine.Lanes() == 0; }));
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(engine.counters().submitted.load(), 1u);
}

// The memory of a worker ends at any moment after its runner's: what comes of the run is answered.
TEST(AWorkerAnswersWithoutMemory) {
  safeasr::CompletionQueue announced;
  constexpr int kTickets = 20;
  Engine engine({1, 64}, NoContexts());
  struct Poor : PieceRunner {
    using PieceRunner::PieceRunner;
    Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
      Results results = PieceRunner::Run(context, batch);
      until_failure = 1 + static_cast<int>(batches().size() % 4);
      return results;
    }
  };
  const auto runner = std::make_shared<Poor>(BatchLimits{8, 1 << 30, 1.0, Duration(0), false});
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (int i = 0; i < kTickets; ++i) {
    tickets.push_back(SubmitPieces(engine, runner, i, 1 + i % 5));
    tickets.back()->AddDoneCallback(
        [&, place = safeasr::CompletionQueue::PlaceFor(static_cast<std::uint64_t>(i))]() mutable {
          announced.Put(place);
        });
    if (i % 7 == 6) tickets.back()->Cancel();
  }
  for (const auto& ticket : tickets) CHECK(ticket->WaitUntil(Soon()));
  engine.Close(CloseMode::kDrain);
  announced.Close();
  int tokens = 0;
  while (announced.Get()) ++tokens;
  CHECK_EQ(tokens, kTickets);
  CHECK_EQ(engine.counters().failed.load(), 0u);
  CHECK(AddsUp(engine.counters()));
}

TEST(ASubmitThatFailsLeavesTheLaneAsItWas) {
  Engine engine({1, 64}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(1000);
  std::vector<std::shared_ptr<Ticket>> tickets;
  tickets.reserve(200);
  {
    Blocker blocker(engine);
    for (int i = 0; i < 200; ++i) {
      CHECK(FailEach([&] { tickets.push_back(Submit(*lane, runner, i)); }) > 0);
    }
    CHECK_EQ(lane->Waiting(), 199u);
    CHECK_EQ(engine.Waiting(), 200u);
  }
  engine.Close(CloseMode::kDrain);
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    CHECK_EQ(NumberOf(*tickets[i]), static_cast<std::int64_t>(i) + 1);
  }
  CHECK_EQ(engine.counters().submitted.load(), 201u);
  CHECK(AddsUp(engine.counters()));
}
