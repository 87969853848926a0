#include "core/ticket.h"

#include <memory>
#include <stdexcept>
#include <string>

#include "check.h"
#include "support.h"

using namespace safeasr::core;

namespace {

struct Number : Result {
  explicit Number(int v) : value(v) {}
  const int value;
};

std::shared_ptr<const Result> Make(int value) { return std::make_shared<Number>(value); }

int ValueOf(const Ticket& ticket) { return static_cast<const Number&>(*ticket.Get()).value; }

Failure Bad() { return {ErrorKind::kInvalidInput, "bad"}; }

ErrorKind KindOf(const Ticket& ticket) {
  try {
    ticket.Get();
  } catch (const Error& e) {
    return e.kind();
  }
  CHECK(!"the ticket did not fail");
  return ErrorKind::kInternal;
}

}  // namespace

TEST(StartsQueuedAndUnfinished) {
  Ticket ticket;
  CHECK_EQ(ticket.state(), TicketState::kQueued);
  CHECK(!ticket.finished());
  CHECK(!ticket.WaitUntil(Clock::now()));
  CHECK(!ticket.WaitUntil(TimePoint::min()));
  CHECK_THROWS(ticket.Get(), std::logic_error);
}

TEST(StartsOnce) {
  Ticket ticket;
  CHECK(ticket.TryStart());
  CHECK(!ticket.TryStart());
  CHECK_EQ(ticket.state(), TicketState::kRunning);
  CHECK_THROWS(ticket.Get(), std::logic_error);
}

TEST(TheFirstOutcomeStays) {
  Ticket ticket;
  ticket.TryStart();
  CHECK(ticket.Resolve(Make(1)));
  CHECK(!ticket.Resolve(Make(2)));
  CHECK(!ticket.Fail(Bad()));
  CHECK(!ticket.Cancel());
  CHECK(!ticket.TryStart());
  CHECK_EQ(ticket.state(), TicketState::kDone);
  CHECK(ticket.WaitUntil(kNever));
  CHECK(ticket.WaitUntil(TimePoint::min()));
  CHECK_EQ(ValueOf(ticket), 1);
  CHECK_EQ(ValueOf(ticket), 1);  // may be asked again
}

TEST(AFailureKeepsItsKindAndMessage) {
  Ticket ticket;
  CHECK(ticket.Fail(Bad()));
  CHECK(!ticket.Resolve(Make(1)));
  CHECK_EQ(ticket.state(), TicketState::kFailed);
  CHECK_EQ(KindOf(ticket), ErrorKind::kInvalidInput);
  try {
    ticket.Get();
  } catch (const Error& e) {
    CHECK_EQ(std::string(e.what()), "bad");
  }
}

TEST(CancelOnlyWhileQueued) {
  Ticket queued;
  CHECK(queued.Cancel());
  CHECK(!queued.Cancel());
  CHECK(!queued.TryStart());
  CHECK(!queued.Resolve(Make(1)));
  CHECK(!queued.Fail(Bad()));
  CHECK_EQ(queued.state(), TicketState::kCancelled);
  CHECK_EQ(KindOf(queued), ErrorKind::kCancelled);

  Ticket running;
  running.TryStart();
  CHECK(!running.Cancel());
  CHECK_EQ(running.state(), TicketState::kRunning);
  CHECK(running.Resolve(Make(1)));
  CHECK_EQ(ValueOf(running), 1);

  Ticket failed;
  failed.Fail(Bad());
  CHECK(!failed.Cancel());
  CHECK_EQ(failed.state(), TicketState::kFailed);
}

TEST(TheWishToCancelIsNotedWhileRunning) {
  Ticket running;
  CHECK(!running.cancel_requested());
  running.TryStart();
  CHECK(!running.Cancel());
  CHECK(running.cancel_requested());
  CHECK_EQ(running.state(), TicketState::kRunning);
  int called = 0;
  running.AddDoneCallback([&] { ++called; });
  CHECK(running.FinishCancelled());
  CHECK(!running.FinishCancelled());
  CHECK(!running.Resolve(Make(1)));
  CHECK_EQ(running.state(), TicketState::kCancelled);
  CHECK_EQ(KindOf(running), ErrorKind::kCancelled);
  CHECK_EQ(called, 1);

  Ticket done;
  done.Resolve(Make(1));
  CHECK(!done.Cancel());
  CHECK(!done.cancel_requested());  // too late for a wish
  CHECK(!done.FinishCancelled());
}

TEST(CallbacksRunOnceAndInOrder) {
  Ticket ticket;
  std::string calls;
  ticket.AddDoneCallback([&] { calls += "a"; });
  ticket.AddDoneCallback([&] { calls += "b"; });
  CHECK_EQ(calls, "");
  ticket.Cancel();
  ticket.Resolve(Make(1));
  CHECK_EQ(calls, "ab");
  ticket.AddDoneCallback([&] { calls += "c"; });  // at once
  CHECK_EQ(calls, "abc");
}

TEST(ACallbackMayUseItsTicket) {
  Ticket ticket;
  int value = 0, inner = 0;
  ticket.AddDoneCallback([&] {
    value = ValueOf(ticket);
    ticket.AddDoneCallback([&] { ++inner; });
  });
  ticket.Resolve(Make(5));
  CHECK_EQ(value, 5);
  CHECK_EQ(inner, 1);
}

TEST(CallbacksDoNotOutliveTheFinish) {
  Ticket ticket;
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = owned;
  ticket.AddDoneCallback([owned = std::move(owned)] { CHECK_EQ(*owned, 1); });
  ticket.Resolve(Make(1));
  CHECK(seen.expired());
}

TEST(RacingOutcomesFinishOnce) {
  for (int round = 0; round < Scaled(200); ++round) {
    Ticket ticket;
    std::atomic<int> finished{0}, called{0}, winner{-1};
    ticket.AddDoneCallback([&] { called.fetch_add(1); });
    Together(6, [&](std::size_t thread) {
      bool won = false;
      if (thread < 2) won = ticket.Resolve(Make(static_cast<int>(thread)));
      if (thread == 2 || thread == 3) won = ticket.Fail(Bad());
      if (thread == 4) won = ticket.Cancel();
      if (thread == 5) won = ticket.FinishCancelled();
      if (won) {
        finished.fetch_add(1);
        winner.store(static_cast<int>(thread));
      }
    });
    CHECK_EQ(finished.load(), 1);
    CHECK_EQ(called.load(), 1);
    const int w = winner.load();
    const TicketState expected = w < 2   ? TicketState::kDone
                                 : w < 4 ? TicketState::kFailed
                                         : TicketState::kCancelled;
    CHECK_EQ(ticket.state(), expected);
    if (w < 2) CHECK_EQ(ValueOf(ticket), w);
  }
}

// Either it runs or it was cancelled: never both, never neither.
TEST(StartAndCancelExcludeEachOther) {
  for (int round = 0; round < Scaled(200); ++round) {
    Ticket ticket;
    std::atomic<int> started{0}, cancelled{0};
    Together(4, [&](std::size_t thread) {
      if (thread % 2 == 0) {
        started += ticket.TryStart();
      } else {
        cancelled += ticket.Cancel();
      }
    });
    CHECK_EQ(started.load() + cancelled.load(), 1);
    CHECK_EQ(ticket.state(), started.load() ? TicketState::kRunning : TicketState::kCancelled);
  }
}

TEST(ManyWaitersAllWake) {
  Ticket ticket;
  std::atomic<int> waiting{0}, got{0};
  Threads threads;
  for (int i = 0; i < 16; ++i) {
    threads.Start([&, i] {
      waiting.fetch_add(1);
      CHECK(ticket.WaitUntil(i % 2 == 0 ? kNever : Soon()));
      got += ValueOf(ticket) == 7;
    });
  }
  CHECK(Eventually([&] { return waiting.load() == 16; }));
  ticket.Resolve(Make(7));
  threads.Join();
  CHECK_EQ(got.load(), 16);
}

TEST(CallbacksAddedWhileFinishingRunOnce) {
  for (int round = 0; round < Scaled(150); ++round) {
    Ticket ticket;
    constexpr int kEach = 20;
    std::atomic<int> called{0};
    Together(4, [&](std::size_t thread) {
      if (thread == 0) {
        ticket.Resolve(Make(1));
        return;
      }
      for (int i = 0; i < kEach; ++i) {
        ticket.AddDoneCallback([&] {
          CHECK(ticket.finished());
          called.fetch_add(1);
        });
      }
    });
    CHECK_EQ(called.load(), 3 * kEach);
  }
}

// The last owner may be the one that waited, while the finisher is still leaving Resolve().
TEST(MayBeDroppedAsSoonAsItIsFinished) {
  for (int round = 0; round < Scaled(200); ++round) {
    auto ticket = std::make_shared<Ticket>();
    std::thread finisher([other = ticket]() mutable {
      other->Resolve(Make(1));
      other.reset();
    });
    ticket->WaitUntil(kNever);
    ticket.reset();
    finisher.join();
  }
}
