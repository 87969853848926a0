// Calls are counted once when they begin and once when they end, whoever says so.
#include "core/call_record.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using Tickets = std::vector<std::shared_ptr<Ticket>>;

std::shared_ptr<CallRecord> Begin(const std::shared_ptr<CallCounters>& counters) {
  counters->calls.Begin();
  return std::make_shared<CallRecord>(counters, Clock::now());
}

Tickets Some(std::size_t count) {
  Tickets tickets;
  for (std::size_t i = 0; i < count; ++i) tickets.push_back(std::make_shared<Ticket>());
  return tickets;
}

// begun, answered, failed, cancelled.
std::array<std::uint64_t, 4> Of(const OutcomeCounts& counts) {
  return {counts.begun.load(), counts.answered.load(), counts.failed.load(),
          counts.cancelled.load()};
}

bool Are(const OutcomeCounts& counts, std::array<std::uint64_t, 4> expected) {
  return Of(counts) == expected;
}

std::uint64_t HowMany(const DurationHistogram& histogram) {
  DurationHistogram::Counts counts{};
  histogram.AddTo(&counts);
  std::uint64_t sum = 0;
  for (const std::uint64_t one : counts) sum += one;
  return sum;
}

}  // namespace

TEST(TheFirstToSayHowItEndedIsRight) {
  const auto counters = std::make_shared<CallCounters>();
  const auto record = Begin(counters);
  CHECK(Are(counters->calls, {1, 0, 0, 0}));
  CHECK(record->End(CallOutcome::kAnswered));
  CHECK(!record->End(CallOutcome::kFailed));
  CHECK(!record->End(CallOutcome::kCancelled));
  CHECK(Are(counters->calls, {1, 1, 0, 0}));
  CHECK_EQ(HowMany(counters->calls.time), 1u);
  CHECK(Are(counters->chunks, {0, 0, 0, 0}));
}

TEST(WhatIsForgottenWasCancelled) {
  const auto counters = std::make_shared<CallCounters>();
  Begin(counters);
  CHECK(Are(counters->calls, {1, 0, 0, 1}));
}

TEST(ErrorsAreCountedByName) {
  ErrorCounts errors;
  CHECK(errors.Read().empty());
  for (const char* name : {"AudioError", "QueueFullError", "AudioError"}) errors.Add(name);
  CHECK_EQ(errors.Read().size(), 2u);
  CHECK_EQ(errors.Read().at("AudioError"), 2u);
}

TEST(ItEndsWithTheLastOfItsTickets) {
  const auto counters = std::make_shared<CallCounters>();
  const Tickets tickets = Some(2);
  Begin(counters)->Follow(tickets, false);  // kept by the tickets
  tickets[1]->Resolve(std::make_shared<NumberResult>(1));
  CHECK(Are(counters->calls, {1, 0, 0, 0}));
  tickets[0]->Resolve(std::make_shared<NumberResult>(1));
  CHECK(Are(counters->calls, {1, 1, 0, 0}));
}

TEST(TicketsThatHaveFinishedAlreadyCount) {
  const auto counters = std::make_shared<CallCounters>();
  const Tickets tickets = Some(1);
  tickets[0]->Cancel();
  Begin(counters)->Follow(tickets, false);
  Begin(counters)->Follow({}, false);
  CHECK(Are(counters->calls, {2, 1, 0, 1}));
}

TEST(FailuresOfTicketsHaveNames) {
  const auto counters = std::make_shared<CallCounters>();
  const Tickets tickets = Some(2);
  Begin(counters)->Follow(tickets, false);
  tickets[0]->Fail({ErrorKind::kOutOfMemory, "large"});
  tickets[1]->Resolve(std::make_shared<FailedElsewhere>("AudioTooLongError"));
  CHECK(Are(counters->calls, {1, 0, 1, 0}));
  const auto errors = counters->errors.Read();
  CHECK_EQ(errors.at("OutOfMemoryError"), 1u);
  CHECK_EQ(errors.at("AudioTooLongError"), 1u);
}

TEST(ErrorsMayBeResults) {
  const auto counters = std::make_shared<CallCounters>();
  const Tickets tickets = Some(1);
  Begin(counters)->Follow(tickets, true);
  tickets[0]->Fail({ErrorKind::kInternal, "broken"});
  CHECK(Are(counters->calls, {1, 1, 0, 0}));
  CHECK_EQ(counters->errors.Read().at("InferenceError"), 1u);
}

TEST(ASettledCallIsCountedOnce) {
  const auto counters = std::make_shared<CallCounters>();
  const int rounds = Scaled(2000);
  for (int i = 0; i < rounds; ++i) {
    const Tickets tickets = Some(2);
    const auto record = Begin(counters);
    record->Follow(tickets, false);
    const auto expected = static_cast<std::uint64_t>(i) + 1;
    Threads threads;
    threads.Start([&] {
      tickets[0]->Fail({ErrorKind::kInternal, "broken"});
      tickets[1]->Resolve(std::make_shared<NumberResult>(1));
    });
    // Whoever sees the tickets finished finds the call counted.
    CHECK(tickets[0]->WaitUntil(Soon()) && tickets[1]->WaitUntil(Soon()));
    record->Settle(tickets);
    CHECK_EQ(counters->calls.failed.load(), expected);
    CHECK_EQ(counters->errors.Read().at("InferenceError"), expected);
  }
  const auto count = static_cast<std::uint64_t>(rounds);
  CHECK(Are(counters->calls, {count, 0, count, 0}));
}

TEST(CallsOfManyThreadsAddUp) {
  const auto counters = std::make_shared<CallCounters>();
  const int each = Scaled(2000);
  std::atomic<bool> done{false};
  Threads reader;
  reader.Start([&] {
    while (!done.load()) {
      const std::uint64_t ended = counters->calls.answered.load(std::memory_order_acquire) +
                                  counters->calls.failed.load(std::memory_order_acquire) +
                                  counters->calls.cancelled.load(std::memory_order_acquire);
      CHECK(ended <= counters->calls.begun.load(std::memory_order_acquire));
    }
  });
  Together(8, [&](std::size_t thread) {
    for (int i = 0; i < each; ++i) {
      const auto record = Begin(counters);
      if (thread % 3 == 0) record->End(CallOutcome::kAnswered);
      if (thread % 3 != 1) continue;
      record->End(CallOutcome::kFailed);
      counters->errors.Add(i % 2 == 0 ? "AudioError" : "InferenceError");
    }
  });
  done.store(true);
  reader.Join();
  const auto n = static_cast<std::uint64_t>(each);
  CHECK(Are(counters->calls, {8 * n, 3 * n, 3 * n, 2 * n}));
  const auto errors = counters->errors.Read();
  CHECK_EQ(errors.at("AudioError") + errors.at("InferenceError"), 3 * n);
  CHECK_EQ(HowMany(counters->calls.time), 8 * n);
}

TEST(StreamsAreOpenAsLongAsTheyLive) {
  const auto counters = std::make_shared<CallCounters>();
  {
    const OpenStream one(counters), other(counters);
    CHECK_EQ(counters->streams_open.load(), 2);
  }
  CHECK_EQ(counters->streams_open.load(), 0);
  CHECK_EQ(counters->streams_opened.load(), 2u);
}

TEST(AForkedChildCountsNothing) {
  const auto counters = std::make_shared<CallCounters>();
  const auto record = Begin(counters);
  const Tickets tickets = Some(1);
  record->Follow(tickets, false);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    tickets[0]->Fail(MakeFailure(ErrorKind::kInvalidInput, "in the child"));
    _exit(Are(counters->calls, {1, 0, 0, 0}) && counters->errors.Read().empty() ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(ATicketKnowsWhenItWasFinished) {
  Ticket ticket;
  const TimePoint before = Clock::now();
  CHECK(ticket.Resolve(std::make_shared<Result>()));
  CHECK(before <= ticket.finished_at() && ticket.finished_at() <= Clock::now());
}
