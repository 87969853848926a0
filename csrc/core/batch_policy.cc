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
    if (limits_.ragged) return length <= limits_.max_cost - sum_;
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

// The live requests of one key, the oldest first.
struct Group {
  std::vector<std::size_t> members;
  bool begun = false;
};

// Groups in the order of their oldest members.
std::vector<Group> GroupByKey(const std::vector<Candidate>& candidates,
                              const std::vector<std::size_t>& live) {
  std::vector<Group> groups;
  for (const std::size_t i : live) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return candidates[g.members.front()].key == candidates[i].key;
    });
    if (group == groups.end()) group = groups.emplace(groups.end());
    group->members.push_back(i);
    group->begun = group->begun || candidates[i].begun;
  }
  return groups;
}

// Rules 2 and 3: at most `share` of the group. Says whether no more could have joined.
std::vector<std::size_t> Fill(const std::vector<Candidate>& candidates, const Group& group,
                              std::size_t share, bool* full) {
  const Candidate& oldest = candidates[group.members.front()];
  std::vector<std::size_t> company(group.members.begin() + 1, group.members.end());
  const auto distance = [&](std::size_t i) {
    return std::llabs(candidates[i].length - oldest.length);
  };
  std::stable_sort(company.begin(), company.end(),
                   [&](std::size_t a, std::size_t b) { return distance(a) < distance(b); });

  std::vector<std::size_t> take = {group.members.front()};
  Growth growth(*oldest.limits, oldest.length);
  for (const std::size_t i : company) {
    if (take.size() >= share) break;
    if (!growth.Admits(candidates[i].length)) continue;
    growth.Add(candidates[i].length);
    take.push_back(i);
  }
  *full = take.size() >= oldest.limits->max_requests || !growth.Admits(oldest.length);
  std::sort(take.begin(), take.end());
  return take;
}

// Rule 5: the time until which the group waits for company; none when it is ready.
std::optional<TimePoint> WaitsUntil(const std::vector<Candidate>& candidates, const Group& group,
                                    TimePoint now) {
  const Candidate& oldest = candidates[group.members.front()];
  const Duration max_wait = oldest.limits->max_wait;
  if (max_wait <= Duration::zero() || now - oldest.arrival >= max_wait || group.begun) return {};
  const TimePoint end = max_wait < kNever - oldest.arrival ? oldest.arrival + max_wait : kNever;
  for (const std::size_t i : group.members) {
    // Waiting until a deadline would be to run nothing and then report the request as too late.
    if (candidates[i].deadline != kNever && candidates[i].deadline <= end) return {};
  }
  bool full = false;
  Fill(candidates, group, oldest.limits->max_requests, &full);
  if (full) return {};
  return end;
}

// Rules 6 and 7: whether the first goes before the second, which queued up later.
bool GoesFirst(const Candidate& a, const Candidate& b, TimePoint now) {
  const bool a_starves = now - a.unserved_since > a.limits->starvation;
  const bool b_starves = now - b.unserved_since > b.limits->starvation;
  if (a_starves || b_starves) return a_starves;
  return a.limits->priority >= b.limits->priority;
}

// Rule 4: how many of its requests a worker may take of a group, when so many are ready in all.
std::size_t ShareOf(const Group& group, const BatchLimits& limits, std::size_t ready,
                    std::size_t free_workers) {
  const std::size_t count = group.members.size();
  // Who asked to wait for company wants batches; splitting them would wait for nothing.
  if (!limits.share_among_free_workers || limits.max_wait > Duration::zero()) {
    return limits.max_requests;
  }
  const std::size_t workers = std::max<std::size_t>(free_workers * count / ready, 1);
  return std::min(limits.max_requests, (count + workers - 1) / workers);
}

}  // namespace

BatchDecision SelectBatch(const std::vector<Candidate>& candidates, TimePoint now,
                          std::size_t free_workers, bool closing) {
  BatchDecision decision;
  std::vector<std::size_t> live;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    (candidates[i].deadline <= now ? decision.expired : live).push_back(i);
  }

  const std::vector<Group> groups = GroupByKey(candidates, live);
  const auto oldest = [&](const Group& g) -> const Candidate& {
    return candidates[g.members.front()];
  };
  const Group* first = nullptr;
  std::size_t ready = 0;  // requests
  for (const Group& group : groups) {
    const auto end = closing ? std::nullopt : WaitsUntil(candidates, group, now);
    if (end) {
      decision.wait_until = std::min(decision.wait_until.value_or(*end), *end);
      continue;
    }
    ready += group.members.size();
    if (first == nullptr || !GoesFirst(oldest(*first), oldest(group), now)) first = &group;
  }
  if (first == nullptr) return decision;

  decision.wait_until.reset();
  bool full = false;
  const std::size_t share = ShareOf(*first, *oldest(*first).limits, ready, free_workers);
  decision.take = Fill(candidates, *first, share, &full);
  return decision;
}

}  // namespace safeasr::core
