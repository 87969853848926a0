#include "core/call_record.h"

namespace safeasr::core {

CallRecord::CallRecord(std::shared_ptr<CallCounters> counters, TimePoint began)
    : counters_(std::move(counters)), began_(began) {}

CallRecord::~CallRecord() { End(CallOutcome::kCancelled); }

bool CallRecord::End(CallOutcome outcome) noexcept {
  if (ended_.exchange(true, std::memory_order_acq_rel)) return false;
  counters_->calls.End(outcome, Clock::now() - began_);
  return true;
}

void CallRecord::Follow(const std::vector<std::shared_ptr<Ticket>>& tickets,
                        bool errors_are_results) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    noted_.assign(tickets.size(), false);
    left_ = tickets.size();
    errors_are_results_ = errors_are_results;
  }
  if (tickets.empty()) End(CallOutcome::kAnswered);
  const std::shared_ptr<CallRecord> self = shared_from_this();
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    // Not the ticket itself: it would keep itself. It calls this while it is there.
    const Ticket* const ticket = tickets[i].get();
    tickets[i]->AddDoneCallback([self, i, ticket] { self->Note(i, *ticket); });
  }
}

void CallRecord::Settle(const std::vector<std::shared_ptr<Ticket>>& tickets) noexcept {
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    if (tickets[i]->finished()) Note(i, *tickets[i]);
  }
}

void CallRecord::Note(std::size_t index, const Ticket& ticket) noexcept {
  // A child's own cancel may come here: the lock, and that of the errors, may be held by a thread
  // of the parent.
  if (counters_->forked()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (index >= noted_.size() || noted_[index]) return;
  noted_[index] = true;
  const auto* elsewhere = dynamic_cast<const FailedElsewhere*>(ticket.result());
  if (ticket.state() == TicketState::kCancelled) {
    any_cancelled_ = true;
  } else if (const Failure* failure = ticket.failure()) {
    any_failed_ = true;
    counters_->errors.Add(NameOf(failure->kind));
  } else if (elsewhere != nullptr) {
    any_failed_ = true;
    counters_->errors.Add(elsewhere->name().c_str());
  }
  if (--left_ > 0) return;
  End(any_cancelled_                        ? CallOutcome::kCancelled
      : any_failed_ && !errors_are_results_ ? CallOutcome::kFailed
                                            : CallOutcome::kAnswered);
}

}  // namespace safeasr::core
