#include "core/lane.h"

#include <algorithm>
#include <string>
#include <utility>

namespace safeasr::core {

Lane::Lane(std::shared_ptr<Intake> intake, std::size_t max_waiting)
    : intake_(std::move(intake)), open_(*intake_), max_waiting_(max_waiting) {}

std::shared_ptr<Ticket> Lane::Submit(std::shared_ptr<const Runner> runner,
                                     std::unique_ptr<Payload> payload,
                                     const SubmitOptions& options) {
  // Held here as well: after a fork this frame is never left in the child, so the child does not
  // destroy a lane on whose condition a thread of the parent sleeps.
  const std::shared_ptr<Lane> self = shared_from_this();
  RequestPtr request = intake_->Make(std::move(runner), std::move(payload), options);
  request->of_lane = true;
  if (!options.priority) request->key.priority = request->runner->limits().live_priority;
  const std::shared_ptr<Ticket> ticket = request->ticket;
  // The lane is kept by what is unfinished in it, and no longer.
  ticket->AddDoneCallback([self, finished = ticket.get()] { self->OnFinished(finished); });

  Intake::Submission submission(intake_->counters);
  TimePoint ask = Clock::now() + kInterruptCheck;
  Lock lock(mutex_);
  while (head_ != nullptr && waiting_.size() >= max_waiting_) WaitForRoom(lock, options, &ask);
  if (!(head_ == nullptr ? EnterEngine(request) : WaitInLane(request))) {
    intake_->ThrowRefused(PushResult::kClosed, options);
  }
  submission.Keep();
  return ticket;
}

bool Lane::EnterEngine(RequestPtr& request) noexcept {
  head_ = request->ticket.get();  // first: it may be finished as soon as it has entered
  if (intake_->Enter(request)) return true;
  head_ = nullptr;
  return false;
}

bool Lane::WaitInLane(RequestPtr& request) {
  waiting_.emplace_back();  // what may throw comes first
  if (!intake_->Expect()) {
    waiting_.pop_back();
    return false;
  }
  waiting_.back() = std::move(request);
  return true;
}

void Lane::WaitForRoom(Lock& lock, const SubmitOptions& options, TimePoint* ask) {
  const TimePoint last_chance = options.LastChance();
  if (intake_->queue.closed()) intake_->ThrowRefused(PushResult::kClosed, options);
  if (Clock::now() >= last_chance) {
    Intake::ThrowIfTooLate(options);
    throw Error(ErrorKind::kQueueFull, "the session is full: " + std::to_string(max_waiting_) +
                                           " of its requests may wait (max_waiting)");
  }
  room_.wait_until(lock, std::min(last_chance, *ask));
  if (Clock::now() < *ask) return;
  // Closing is noticed here, too: the engine knows no lanes that it could wake.
  *ask = Clock::now() + kInterruptCheck;
  if (!options.interrupted) return;
  lock.unlock();
  if (options.interrupted()) Intake::ThrowInterrupted();
  lock.lock();
}

void Lane::OnFinished(const Ticket* ticket) {
  if (intake_->forked()) return;  // the lock may be held by a thread that exists in the parent only
  RequestPtr next, cancelled;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ticket == head_) {
      head_ = nullptr;
      if (!waiting_.empty()) {
        next = std::move(waiting_.front());
        waiting_.pop_front();
        head_ = next->ticket.get();
      }
    } else {
      const auto found =
          std::find_if(waiting_.begin(), waiting_.end(),
                       [&](const RequestPtr& request) { return request->ticket.get() == ticket; });
      if (found != waiting_.end()) {
        cancelled = std::move(*found);
        waiting_.erase(found);
      }
    }
    room_.notify_all();
  }
  if (next) intake_->EnterExpected(std::move(next));
  if (cancelled) intake_->CancelExpected();
}

std::size_t Lane::Waiting() const {
  if (intake_->forked()) return 0;
  std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.size();
}

bool Lane::busy() const {
  if (intake_->forked()) return false;
  std::lock_guard<std::mutex> lock(mutex_);
  return head_ != nullptr;
}

}  // namespace safeasr::core
