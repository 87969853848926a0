// Ticket: the future of one request. Resolved exactly once; waitable from many threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/errors.h"

namespace safeasr::core {

// What a runner makes of a request. Immutable once it is in a ticket: many threads may read it.
class Result {
 public:
  virtual ~Result() = default;
};

enum class TicketState { kQueued, kRunning, kDone, kFailed, kCancelled };

class Ticket {
 public:
  using Callback = std::function<void()>;

  // Queued -> running. False when it was cancelled (or finished) before: then do not run it.
  bool TryStart();

  // -> done / failed / cancelled, also from running. True for the one call that finished the
  // ticket; later ones change nothing. Workers call these, so they need no memory.
  bool Resolve(std::shared_ptr<const Result> result) noexcept;
  bool Fail(Failure failure) noexcept;
  bool FinishCancelled() noexcept;

  // Queued -> cancelled: true, and the request will not run. Running: false, but the wish is noted:
  // the worker stops where it can (see BatchStop) and the ticket is cancelled then; if all is done
  // by then, there is a result. Finished: false, and nothing changes.
  bool Cancel() noexcept;
  // Cancel() was called before the ticket was finished.
  bool cancel_requested() const { return cancel_requested_.load(std::memory_order_acquire); }

  TicketState state() const { return state_.load(std::memory_order_acquire); }
  bool finished() const { return IsFinal(state()); }
  // When a finished ticket was finished.
  TimePoint finished_at() const { return finished_at_; }

  // True when finished before the deadline.
  bool WaitUntil(TimePoint deadline) const;

  // The result of a finished ticket; throws core::Error for a failed or cancelled one, and
  // std::logic_error for one that is not finished.
  std::shared_ptr<const Result> Get() const;

  // Of a finished ticket, without a throw: what it failed with, or its result; else null.
  const Failure* failure() const noexcept;
  const Result* result() const noexcept;

  // Runs once, when the ticket finishes, on the thread that finishes it (at once, on this thread,
  // if it is finished). Must not block and must not throw: that would end the process.
  void AddDoneCallback(Callback callback);

 private:
  using Outcome = std::variant<std::monostate, std::shared_ptr<const Result>, Failure>;
  // Only from states up to `last`.
  bool Finish(TicketState state, Outcome outcome, TicketState last) noexcept;
  static bool IsFinal(TicketState state) { return state >= TicketState::kDone; }

  mutable std::mutex mutex_;
  mutable std::condition_variable finished_;
  // Written under the mutex; the pool looks at thousands without it.
  std::atomic<TicketState> state_{TicketState::kQueued};
  std::atomic<bool> cancel_requested_{false};
  TimePoint finished_at_{};  // as the outcome: written before the state says that it is final
  Outcome outcome_;
  std::vector<Callback> callbacks_;
};

}  // namespace safeasr::core
