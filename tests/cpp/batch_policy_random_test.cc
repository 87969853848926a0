// Random queues, which keep every rule of batch_policy.h.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "check.h"
#include "core/batch_policy.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using std::chrono::milliseconds;
using Indices = std::vector<std::size_t>;

const TimePoint kStart = TimePoint{} + std::chrono::hours(1);
TimePoint At(int ms) { return kStart + milliseconds(ms); }

}  // namespace

namespace check {
template <>
std::string Show(const Indices& indices) {
  std::string out = "{";
  for (const std::size_t i : indices) out += std::to_string(i) + " ";
  return out + "}";
}
}  // namespace check

namespace {

std::pair<std::uint64_t, int> NameOf(const Candidate& c) { return {c.key.runner, c.key.priority}; }

// What must hold of any decision, told from the rules and not from how they are carried out.
void Judge(const std::vector<Candidate>& candidates, TimePoint now, std::size_t workers,
           bool closing, const BatchDecision& d) {
  Indices live, expired;
  std::map<std::pair<std::uint64_t, int>, Indices> keys;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    (candidates[i].deadline <= now ? expired : live).push_back(i);
    if (candidates[i].deadline > now) keys[NameOf(candidates[i])].push_back(i);
  }
  CHECK_EQ(d.expired, expired);
  CHECK(live.empty() || d.take.empty() == d.wait_until.has_value());
  if (live.empty()) CHECK(d.take.empty() && !d.wait_until);
  if (d.wait_until) {
    TimePoint earliest = kNever;
    for (const auto& [name, members] : keys) {
      const Candidate& oldest = candidates[members.front()];
      earliest = std::min(earliest, oldest.arrival + oldest.limits->max_wait);
      CHECK(!closing && oldest.limits->max_wait > Duration(0));
      for (const std::size_t i : members) {
        CHECK(candidates[i].deadline > *d.wait_until && !candidates[i].begun);
      }
    }
    CHECK(*d.wait_until == earliest && earliest > now);
  }
  if (d.take.empty()) return;

  const Candidate& first = candidates[d.take.front()];
  const BatchLimits& limits = *first.limits;
  CHECK_EQ(d.take.front(), keys[NameOf(first)].front());
  CHECK(std::is_sorted(d.take.begin(), d.take.end()));
  CHECK_EQ(std::set<std::size_t>(d.take.begin(), d.take.end()).size(), d.take.size());
  CHECK(d.take.size() <= limits.max_requests);
  const auto starves = [&](const Candidate& c) {
    return now - c.unserved_since > c.limits->starvation;
  };
  for (const auto& [name, members] : keys) {
    const Candidate& other = candidates[members.front()];
    if (other.limits->max_wait > Duration(0) && !closing) continue;  // perhaps not ready
    CHECK(starves(first) || !starves(other));
    if (starves(first)) {
      CHECK(!starves(other) || d.take.front() <= members.front());
    } else {
      CHECK(first.key.priority >= other.key.priority);
      if (first.key.priority == other.key.priority) CHECK(d.take.front() <= members.front());
    }
  }
  std::int64_t longest = 0, sum = 0;
  for (const std::size_t i : d.take) {
    CHECK(candidates[i].deadline > now && candidates[i].key == first.key);
    longest = std::max(longest, candidates[i].length);
    sum += candidates[i].length;
  }
  if (d.take.size() == 1) return;  // one alone may exceed the limits
  const std::int64_t cost = static_cast<std::int64_t>(d.take.size()) * longest;
  CHECK(cost <= limits.max_cost);
  CHECK(static_cast<double>(cost - sum) <= limits.max_padding * static_cast<double>(cost) + 1e-6);
  if (limits.share_among_free_workers && limits.max_wait == Duration(0) && keys.size() == 1) {
    CHECK(d.take.size() <= (live.size() + workers - 1) / workers);
  }
}

}  // namespace

TEST(RandomQueuesKeepEveryRule) {
  std::mt19937 random(20240607);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < Scaled(20000); ++round) {
    std::vector<BatchLimits> limits;
    for (int key = pick(1, 4); key > 0; --key) {
      limits.push_back({static_cast<std::size_t>(pick(1, 12)), pick(1, 2000), pick(0, 10) / 10.0,
                        milliseconds(pick(0, 2) * 20), pick(0, 1) == 1, 1,
                        milliseconds(pick(10, 100))});
    }
    std::vector<Candidate> candidates;
    int arrival = 0;
    for (int n = pick(0, 40); n > 0; --n) {
      arrival += pick(0, 3);
      const auto key = static_cast<std::size_t>(pick(0, static_cast<int>(limits.size()) - 1));
      const TimePoint unserved = At(arrival + pick(0, 20));
      const TimePoint deadline = pick(0, 3) == 0 ? At(pick(0, 80)) : kNever;
      candidates.push_back({{key, 0, pick(0, 2)},
                            &limits[key],
                            pick(1, 200),
                            At(arrival),
                            unserved,
                            deadline,
                            pick(0, 30) == 0});
    }
    const auto workers = static_cast<std::size_t>(pick(1, 5));
    const TimePoint now = At(pick(0, 100));
    const bool closing = pick(0, 4) == 0;
    Judge(candidates, now, workers, closing, SelectBatch(candidates, now, workers, closing));
  }
}
