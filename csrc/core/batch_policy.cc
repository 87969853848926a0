#include "core/batch_policy.h"

#include <algorithm>
#include <cstdlib>

namespace safeasr::core {
namespace {

// Rule 3: of a longer backlog, so many of the oldest are chosen from.
constexpr std::size_t kChosenFrom = 256;

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

// The live requests of one key: a list through Queued::next, the oldest first.
struct Group {
  std::size_t oldest, youngest;
  std::size_t count = 1;
  bool begun = false;
};

std::size_t Hash(const BatchKey& key) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;  // odd, and its bits are well mixed
  const std::uint64_t of_runner = key.runner * kMix + static_cast<std::uint64_t>(key.priority);
  const std::uint64_t mixed = (of_runner ^ key.options) * kMix;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

// What is queued, by keys. Made with the pool locked: its time grows with the number of requests,
// of which there may be thousands, and no faster.
class Queued {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  Queued(const std::vector<Candidate>& candidates, TimePoint now, std::vector<std::size_t>* expired)
      : candidates_(candidates), next_(candidates.size(), kNone) {
    std::size_t places = 1;
    while (places < 2 * candidates.size()) places *= 2;
    table_.resize(places, kNone);
    std::size_t number = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Candidate& candidate = candidates[i];
      if (candidate.deadline <= now) {
        expired->push_back(i);
        continue;
      }
      // Neighbours often share a key.
      if (groups_.empty() || candidates[groups_[number].oldest].key != candidate.key) {
        number = NumberOf(candidate.key);
      }
      Add(i, number);
    }
  }

  // In the order of their oldest members.
  const std::vector<Group>& groups() const { return groups_; }
  const Candidate& oldest(const Group& group) const { return candidates_[group.oldest]; }
  const Candidate& operator[](std::size_t i) const { return candidates_[i]; }
  std::size_t next(std::size_t i) const { return next_[i]; }

 private:
  // Of the group with this key; if there is none, of the next to be added. (A hash table without
  // nodes: there may be as many keys as requests.)
  std::size_t NumberOf(const BatchKey& key) {
    for (std::size_t place = Hash(key);; ++place) {
      std::size_t& number = table_[place & (table_.size() - 1)];
      if (number == kNone) number = groups_.size();
      if (number == groups_.size() || oldest(groups_[number]).key == key) return number;
    }
  }

  void Add(std::size_t i, std::size_t number) {
    if (number == groups_.size()) {
      groups_.push_back({i, i});
    } else {
      Group& group = groups_[number];
      next_[group.youngest] = i;
      group.youngest = i;
      ++group.count;
    }
    groups_[number].begun = groups_[number].begun || candidates_[i].begun;
  }

  const std::vector<Candidate>& candidates_;
  std::vector<std::size_t> next_;
  std::vector<Group> groups_;
  std::vector<std::size_t> table_;  // numbers of groups, by their keys' hashes
};

// Rules 2 and 3: at most `share` of the group. Says whether no more could have joined.
std::vector<std::size_t> Fill(const Queued& queued, const Group& group, std::size_t share,
                              bool* full) {
  const Candidate& oldest = queued.oldest(group);
  const BatchLimits& limits = *oldest.limits;
  const std::size_t most = std::min(group.count, std::max(kChosenFrom, 2 * limits.max_requests));
  std::vector<std::size_t> company;
  company.reserve(most);
  for (std::size_t i = queued.next(group.oldest); i != Queued::kNone && company.size() + 1 < most;
       i = queued.next(i)) {
    company.push_back(i);
  }
  const auto distance = [&](std::size_t i) { return std::llabs(queued[i].length - oldest.length); };
  std::stable_sort(company.begin(), company.end(),
                   [&](std::size_t a, std::size_t b) { return distance(a) < distance(b); });

  std::vector<std::size_t> take = {group.oldest};
  Growth growth(limits, oldest.length);
  for (const std::size_t i : company) {
    if (take.size() >= share) break;
    if (!growth.Admits(queued[i].length)) continue;
    growth.Add(queued[i].length);
    take.push_back(i);
  }
  *full = take.size() >= limits.max_requests || !growth.Admits(oldest.length);
  std::sort(take.begin(), take.end());
  return take;
}

// Rule 5: the time until which the group waits for company; none when it is ready.
std::optional<TimePoint> WaitsUntil(const Queued& queued, const Group& group, TimePoint now) {
  const Candidate& oldest = queued.oldest(group);
  const Duration max_wait = oldest.limits->max_wait;
  if (max_wait <= Duration::zero() || now - oldest.arrival >= max_wait || group.begun) return {};
  const TimePoint end = max_wait < kNever - oldest.arrival ? oldest.arrival + max_wait : kNever;
  for (std::size_t i = group.oldest; i != Queued::kNone; i = queued.next(i)) {
    // Waiting until a deadline would be to run nothing and then report the request as too late.
    if (queued[i].deadline != kNever && queued[i].deadline <= end) return {};
  }
  bool full = false;
  Fill(queued, group, oldest.limits->max_requests, &full);
  if (full) return {};
  return end;
}

bool Starves(const Candidate& candidate, TimePoint now) {
  return now - candidate.unserved_since > candidate.limits->starvation;
}

// Rules 6 and 7: whether the first goes before the second, which queued up later.
bool GoesFirst(const Candidate& a, const Candidate& b, TimePoint now) {
  const bool a_starves = Starves(a, now), b_starves = Starves(b, now);
  if (a_starves || b_starves) return a_starves;
  return a.key.priority >= b.key.priority;
}

// Rule 4: how many of its requests a worker may take of a group, when so many are ready in all.
std::size_t ShareOf(const Group& group, const BatchLimits& limits, std::size_t ready,
                    std::size_t free_workers) {
  // Who asked to wait for company wants batches; splitting them would wait for nothing.
  if (!limits.share_among_free_workers || limits.max_wait > Duration::zero()) {
    return limits.max_requests;
  }
  const std::size_t workers = std::max<std::size_t>(free_workers * group.count / ready, 1);
  return std::min(limits.max_requests, (group.count + workers - 1) / workers);
}

}  // namespace

BatchDecision SelectBatch(const std::vector<Candidate>& candidates, TimePoint now,
                          std::size_t free_workers, bool closing, TimePoint recordings_from) {
  BatchDecision decision;
  const Queued queued(candidates, now, &decision.expired);
  const Group* first = nullptr;
  std::size_t ready = 0;  // requests
  for (const Group& group : queued.groups()) {
    auto end = closing ? std::nullopt : WaitsUntil(queued, group, now);
    const Candidate& oldest = queued.oldest(group);
    if (!closing && now < recordings_from && oldest.key.priority <= 0 && !Starves(oldest, now)) {
      end = std::max(end.value_or(recordings_from), recordings_from);
    }
    if (end) {
      decision.wait_until = std::min(decision.wait_until.value_or(*end), *end);
      continue;
    }
    ready += group.count;
    if (first == nullptr || !GoesFirst(queued.oldest(*first), oldest, now)) {
      first = &group;
    }
  }
  if (first == nullptr) return decision;

  decision.wait_until.reset();
  bool full = false;
  const std::size_t share = ShareOf(*first, *queued.oldest(*first).limits, ready, free_workers);
  decision.take = Fill(queued, *first, share, &full);
  return decision;
}

}  // namespace safeasr::core
