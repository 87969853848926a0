#include "core/ticket.h"

#include <stdexcept>
#include <utility>

namespace safeasr::core {

bool Ticket::TryStart() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (state() != TicketState::kQueued) return false;
  state_.store(TicketState::kRunning, std::memory_order_release);
  return true;
}

bool Ticket::Resolve(std::shared_ptr<const Result> result) noexcept {
  return Finish(TicketState::kDone, std::move(result), TicketState::kRunning);
}

bool Ticket::Fail(Failure failure) noexcept {
  return Finish(TicketState::kFailed, std::move(failure), TicketState::kRunning);
}

bool Ticket::FinishCancelled() noexcept {
  return Finish(TicketState::kCancelled,
                MakeFailure(ErrorKind::kCancelled, "the request was cancelled while it ran"),
                TicketState::kRunning);
}

bool Ticket::Cancel() noexcept {
  if (finished()) return false;
  // First: a worker that starts it meanwhile finds the wish. One that finishes it does no harm.
  cancel_requested_.store(true, std::memory_order_release);
  return Finish(TicketState::kCancelled,
                MakeFailure(ErrorKind::kCancelled, "the request was cancelled before it ran"),
                TicketState::kQueued);
}

bool Ticket::Finish(TicketState state, Outcome outcome, TicketState last) noexcept {
  // Callbacks were stored when they were added: to take them out needs no memory.
  std::vector<Callback> callbacks;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (this->state() > last) return false;
    outcome_ = std::move(outcome);
    finished_at_ = Clock::now();
    callbacks.swap(callbacks_);
    state_.store(state, std::memory_order_release);
    finished_.notify_all();
  }
  for (const Callback& callback : callbacks) callback();
  return true;
}

bool Ticket::WaitUntil(TimePoint deadline) const {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto done = [this] { return finished(); };
  if (deadline == kNever) {
    finished_.wait(lock, done);
    return true;
  }
  return finished_.wait_until(lock, deadline, done);
}

std::shared_ptr<const Result> Ticket::Get() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!finished()) throw std::logic_error("the request is not finished yet");
  if (const auto* failure = std::get_if<Failure>(&outcome_)) throw Error(*failure);
  return std::get<std::shared_ptr<const Result>>(outcome_);
}

// What a finished ticket was finished with does not change any more, so no lock is needed.
const Failure* Ticket::failure() const noexcept {
  return finished() ? std::get_if<Failure>(&outcome_) : nullptr;
}

const Result* Ticket::result() const noexcept {
  if (!finished()) return nullptr;
  const auto* result = std::get_if<std::shared_ptr<const Result>>(&outcome_);
  return result == nullptr ? nullptr : result->get();
}

void Ticket::AddDoneCallback(Callback callback) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!finished()) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

}  // namespace safeasr::core
