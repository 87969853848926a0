// CallRecord: counts the end of a call that goes on by itself, once, by whoever says so first. One
// that is forgotten before anybody did was cancelled.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/call_counters.h"
#include "core/clock.h"
#include "core/ticket.h"

namespace safeasr::core {

// In place of a result: what the ticket stands for failed, and the error lies with its caller.
class FailedElsewhere : public Result {
 public:
  explicit FailedElsewhere(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }  // of the error's class

 private:
  const std::string name_;
};

class CallRecord : public std::enable_shared_from_this<CallRecord> {
 public:
  // Of a call that was counted as begun, then.
  CallRecord(std::shared_ptr<CallCounters> counters, TimePoint began);
  ~CallRecord();
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  // How it ended. False when it had ended before: then nothing is counted.
  bool End(CallOutcome outcome) noexcept;

  // It ends when all of these have finished: cancelled if one was, else failed if one failed, and
  // the caller does not take errors for results. Once. The tickets do not keep what follows them
  // beyond their end, nor are they kept.
  void Follow(const std::vector<std::shared_ptr<Ticket>>& tickets, bool errors_are_results);

  // The same now, if all have finished: the thread that finished the last may not have come so far.
  // Whoever has the answer must find it counted.
  void Settle(const std::vector<std::shared_ptr<Ticket>>& tickets) noexcept;

 private:
  void Note(std::size_t index, const Ticket& ticket) noexcept;

  const std::shared_ptr<CallCounters> counters_;
  const TimePoint began_;
  std::atomic<bool> ended_{false};

  std::mutex mutex_;         // guards what follows; never held while anything is waited for
  std::vector<bool> noted_;  // those of the followed tickets that were counted
  std::size_t left_ = 0;
  bool errors_are_results_ = false, any_failed_ = false, any_cancelled_ = false;
};

}  // namespace safeasr::core
