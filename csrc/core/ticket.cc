#include "core/ticket.h"

#include <stdexcept>
#include <utility>

namespace safeasr::core {

bool Ticket::TryStart() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != TicketState::kQueued) return false;
  state_ = TicketState::kRunning;
  return true;
}

bool Ticket::Resolve(std::shared_ptr<const Result> result) {
  return Finish(TicketState::kDone, std::move(result));
}

bool Ticket::Fail(Failure failure) { return Finish(TicketState::kFailed, std::move(failure)); }

bool Ticket::Cancel() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != TicketState::kQueued) return false;
  }
  return Finish(TicketState::kCancelled,
                Failure{ErrorKind::kCancelled, "the request was cancelled before it ran"});
}

bool Ticket::Finish(TicketState state, Outcome outcome) {
  std::vector<Callback> callbacks;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (IsFinal(state_)) return false;
    // A worker may have started it since Cancel() looked.
    if (state == TicketState::kCancelled && state_ != TicketState::kQueued) return false;
    state_ = state;
    outcome_ = std::move(outcome);
    callbacks.swap(callbacks_);
    finished_.notify_all();
  }
  for (const Callback& callback : callbacks) callback();
  return true;
}

TicketState Ticket::state() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

bool Ticket::finished() const { return IsFinal(state()); }

bool Ticket::WaitUntil(TimePoint deadline) const {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto done = [this] { return IsFinal(state_); };
  if (deadline == kNever) {
    finished_.wait(lock, done);
    return true;
  }
  return finished_.wait_until(lock, deadline, done);
}

std::shared_ptr<const Result> Ticket::Get() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!IsFinal(state_)) throw std::logic_error("the request is not finished yet");
  if (const auto* failure = std::get_if<Failure>(&outcome_)) throw Error(*failure);
  return std::get<std::shared_ptr<const Result>>(outcome_);
}

void Ticket::AddDoneCallback(Callback callback) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!IsFinal(state_)) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

}  // namespace safeasr::core
