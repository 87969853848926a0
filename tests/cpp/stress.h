// What the stress tests share: accounts of what was accepted and what became of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>

#include "check.h"
#include "fake_runner.h"
#include "support.h"

namespace safeasr::core {

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
  bool had_deadline, cancel_won, cancel_asked = false;

  void Cancel() {
    cancel_asked = true;
    cancel_won = ticket->Cancel() || cancel_won;
  }
};

inline bool IsPoison(std::int64_t number) { return number % 97 == 13; }

// What runners do besides counting: sometimes take their time, and choke on poison.
inline FakeRunner::Hook StressHook(bool slow) {
  return [slow](const Numbers& batch) {
    if (slow) std::this_thread::sleep_for(microseconds(50));
    if (std::any_of(batch.begin(), batch.end(), IsPoison)) {
      throw Error(ErrorKind::kInvalidInput, "poison");
    }
  };
}

// Lengths, keys, deadlines and patience by chance.
inline SubmitOptions RandomOptions(std::mt19937& random) {
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  SubmitOptions options;
  options.length = 1 + static_cast<std::int64_t>(random() % 300);
  options.options_key = random() % 2;
  if (chance(20)) options.deadline = Clock::now() + microseconds(random() % 2000);
  if (chance(50)) options.give_up = Clock::now() + microseconds(random() % 5000);
  if (chance(30)) options.give_up = kNever;
  if (chance(20)) options.direct = true;
  if (chance(20)) options.priority = static_cast<int>(random() % 3) - 1;
  return options;
}

inline void Judge(const Accepted& a, Tally& tally) {
  CHECK(a.ticket->WaitUntil(Soon()));
  CHECK(!a.ticket->Cancel());  // too late, whatever it is
  switch (a.ticket->state()) {
    case TicketState::kDone:
      CHECK(!a.cancel_won && !IsPoison(a.number));
      CHECK_EQ(NumberOf(*a.ticket), a.number + 1);
      tally.done.fetch_add(1);
      break;
    case TicketState::kCancelled:
      CHECK(a.cancel_asked);  // before it ran, or between its pieces
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

// After the engine was closed: the callers' account is the engine's.
inline void CheckAccounts(const Engine& engine, const Tally& tally) {
  const Counters& c = engine.counters();
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
inline void For(milliseconds time, const std::function<void(std::uint32_t)>& round) {
  const TimePoint end = Clock::now() + time;
  std::uint32_t seed = 1;
  do {
    round(seed);
    seed += 1000;
  } while (Clock::now() < end);
}

inline constexpr milliseconds kTime{kTsan ? 5000 : 800};

}  // namespace safeasr::core
