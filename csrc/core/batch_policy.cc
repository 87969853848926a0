#include "core/batch_policy.h"

#include <algorithm>
#include <cstdlib>

namespace safeasr::core {
namespace {

// A batch as it grows: what it costs, and how much of that is padding.
class Growth {
 public:
  Growth(const BatchLimits& limits, std::int64_t length)
      : limits_(limits), longest_(length), sum_(length) {}

  bool Admits(std::int64_t length) const {
    const std::int64_t count = count_ + 1;
    const std::int64_t longest = std::max(longest_, length);
    if (static_cast<std::size_t>(count) > limits_.max_requests) return false;
    // count x longest > max_cost, in a form that cannot overflow.
    if (longest > limits_.max_cost / count) return false;
    const std::int64_t cost = count * longest;
    const double padding = static_cast<double>(cost - (sum_ + length)) /
                           static_cast<double>(std::max<std::int64_t>(cost, 1));
    return padding <= limits_.max_padding;
  }

  void Add(std::int64_t length) {
    ++count_;
    longest_ = std::max(longest_, length);
    sum_ += length;
  }

 private:
  const BatchLimits& limits_;
  std::int64_t count_ = 1;
  std::int64_t longest_;
  std::int64_t sum_;
};

}  // namespace

BatchDecision SelectBatch(const std::vector<Candidate>& candidates, TimePoint now,
                          const BatchLimits& limits, std::size_t free_workers, bool closing) {
  BatchDecision decision;
  std::vector<std::size_t> live;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    (candidates[i].deadline <= now ? decision.expired : live).push_back(i);
  }
  if (live.empty()) return decision;

  const Candidate& oldest = candidates[live.front()];
  std::vector<std::size_t> company;  // those that may join, nearest in length first
  for (const std::size_t i : live) {
    if (i != live.front() && candidates[i].key == oldest.key) company.push_back(i);
  }
  const auto distance = [&](std::size_t i) {
    return std::llabs(candidates[i].length - oldest.length);
  };
  std::stable_sort(company.begin(), company.end(),
                   [&](std::size_t a, std::size_t b) { return distance(a) < distance(b); });

  std::size_t share = limits.max_requests;
  // Who asked to wait for company wants batches; splitting them would wait for nothing.
  const bool sharing = limits.share_among_free_workers && limits.max_wait == Duration::zero();
  if (sharing && free_workers > 1) {
    share = std::min(share, (live.size() + free_workers - 1) / free_workers);
  }

  decision.take.push_back(live.front());
  Growth growth(limits, oldest.length);
  for (const std::size_t i : company) {
    if (decision.take.size() >= share) break;
    if (!growth.Admits(candidates[i].length)) continue;
    growth.Add(candidates[i].length);
    decision.take.push_back(i);
  }

  const bool full = decision.take.size() >= limits.max_requests || !growth.Admits(oldest.length);
  if (!full && !closing && limits.max_wait > Duration::zero() &&
      now - oldest.arrival < limits.max_wait) {
    const TimePoint end =
        limits.max_wait < kNever - oldest.arrival ? oldest.arrival + limits.max_wait : kNever;
    // Waiting until a deadline would be to run nothing and then report the request as too late.
    const bool in_time = std::none_of(live.begin(), live.end(), [&](std::size_t i) {
      return candidates[i].deadline != kNever && candidates[i].deadline <= end;
    });
    if (in_time) {
      decision.wait_until = end;
      decision.take.clear();
      return decision;
    }
  }
  std::sort(decision.take.begin(), decision.take.end());
  return decision;
}

}  // namespace safeasr::core
