#include "core/call_counters.h"

#include <new>
#include <utility>

namespace safeasr::core {

void ErrorCounts::Add(const char* name) noexcept {
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = counts_.find(name);
    if (found != counts_.end()) {
      ++found->second;
    } else {
      counts_.emplace(name, 1);
    }
  } catch (const std::bad_alloc&) {
    return;  // counting must not fail what it counts
  }
}

std::map<std::string, std::uint64_t> ErrorCounts::Read() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {counts_.begin(), counts_.end()};
}

void OutcomeCounts::End(CallOutcome outcome, Duration taken) noexcept {
  time.Add(taken);
  std::atomic<std::uint64_t>& count = outcome == CallOutcome::kAnswered ? answered
                                      : outcome == CallOutcome::kFailed ? failed
                                                                        : cancelled;
  count.fetch_add(1, std::memory_order_release);  // and `begun` is read after it
}

OpenStream::OpenStream(std::shared_ptr<CallCounters> counters) : counters_(std::move(counters)) {
  counters_->streams_open.fetch_add(1, std::memory_order_relaxed);
  counters_->streams_opened.fetch_add(1, std::memory_order_relaxed);
}

OpenStream::~OpenStream() { counters_->streams_open.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace safeasr::core
