// Ticket: the future of one request. Resolved exactly once; waitable from many threads.
#pragma once

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

  // -> done / failed. True for the one call that finished the ticket; later ones change nothing.
  bool Resolve(std::shared_ptr<const Result> result);
  bool Fail(Failure failure);

  // Queued -> cancelled: true, and the request will not run. Running: false, but the result will
  // be dropped by nobody but its waiters. Finished: false.
  bool Cancel();

  TicketState state() const;
  bool finished() const;

  // True when finished before the deadline.
  bool WaitUntil(TimePoint deadline) const;

  // The result of a finished ticket; throws core::Error for a failed or cancelled one, and
  // std::logic_error for one that is not finished.
  std::shared_ptr<const Result> Get() const;

  // Runs once, when the ticket finishes, on the thread that finishes it (at once, on this thread,
  // if it is finished). Must not block and must not throw.
  void AddDoneCallback(Callback callback);

 private:
  using Outcome = std::variant<std::monostate, std::shared_ptr<const Result>, Failure>;
  bool Finish(TicketState state, Outcome outcome);
  static bool IsFinal(TicketState state) { return state >= TicketState::kDone; }

  mutable std::mutex mutex_;
  mutable std::condition_variable finished_;
  TicketState state_ = TicketState::kQueued;
  Outcome outcome_;
  std::vector<Callback> callbacks_;
};

}  // namespace safeasr::core
