// The rules of batch_policy.h where several keys are queued, by their numbers; and random queues,
// which keep them all.
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

BatchLimits Wide() { return {1000, 1 << 30, 1.0, Duration(0), true, 1, std::chrono::hours(1)}; }

BatchLimits Waiting(int ms) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(ms);
  return limits;
}

// The limits of a key, and the priority that is part of it.
struct Key {
  Key(BatchLimits l, int p = 0) : limits(l), priority(p) {}
  BatchLimits limits;
  int priority;
};

Key Priority(int priority) { return {Wide(), priority}; }

// A queue of letters, each a request of that key, with the limits of its key.
class Letters {
 public:
  explicit Letters(std::map<char, Key> keys) : keys_(std::move(keys)) {}

  Letters& Add(const std::string& letters, int arrival_ms = 0) {
    for (const char letter : letters) {
      const auto runner = static_cast<std::uint64_t>(letter);
      const Key& key = keys_.at(letter);
      candidates.push_back({{runner, 0, key.priority},
                            &key.limits,
                            10,
                            At(arrival_ms),
                            At(arrival_ms),
                            kNever,
                            false});
    }
    return *this;
  }

  BatchDecision Select(std::size_t free_workers = 1, int now_ms = 0, bool closing = false) const {
    return SelectBatch(candidates, At(now_ms), free_workers, closing);
  }

  std::vector<Candidate> candidates;

 private:
  const std::map<char, Key> keys_;
};

}  // namespace

namespace check {
template <>
std::string Show(const Indices& indices) {
  std::string out = "{";
  for (const std::size_t i : indices) out += std::to_string(i) + " ";
  return out + "}";
}
}  // namespace check

TEST(Rule2EachKeyHasTheLimitsOfItsRunner) {
  BatchLimits one = Wide(), two = Wide();
  one.max_requests = 1;
  two.max_requests = 2;
  CHECK_EQ(Letters({{'a', one}, {'b', two}}).Add("abbbb").Select().take, (Indices{0}));
  CHECK_EQ(Letters({{'a', one}, {'b', two}}).Add("bbaab").Select().take, (Indices{0, 1}));
}

TEST(Rule4TwoKeysOnTwoWorkersAreNotSplit) {
  Letters letters({{'a', Wide()}, {'b', Wide()}});
  letters.Add("aabbaabb");
  CHECK_EQ(letters.Select(2).take, (Indices{0, 1, 4, 5}));
  CHECK_EQ(Letters({{'b', Wide()}}).Add("bbbb").Select(1).take.size(), 4u);  // the other worker
  CHECK_EQ(letters.Select(4).take, (Indices{0, 1}));  // two workers for each key
  CHECK_EQ(letters.Select(100).take, (Indices{0}));
}

TEST(Rule4AKeyUsesAsManyWorkersAsItsShareOfTheRequests) {
  Letters letters({{'a', Wide()}, {'b', Wide()}});
  letters.Add("aaaaaaaaab");
  CHECK_EQ(letters.Select(2).take.size(), 9u);  // 2 x 9/10: one, and the other has b
  CHECK_EQ(letters.Select(4).take.size(), 3u);  // 4 x 9/10: three
  Letters few({{'a', Wide()}, {'b', Wide()}});
  CHECK_EQ(few.Add("aabbbbbbbb").Select(2).take, (Indices{0, 1}));  // at least one, whole
}

TEST(Rule4KeysThatWaitNeedNoWorker) {
  Letters letters({{'a', Wide()}, {'w', Waiting(20)}});
  CHECK_EQ(letters.Add("wwwwaaaa").Select(2).take, (Indices{4, 5}));
}

TEST(Rule5EachKeyWaitsForItself) {
  Letters letters({{'v', Waiting(20)}, {'w', Waiting(30)}});
  letters.Add("w", 0).Add("v", 5).Add("w", 6);
  CHECK(letters.Select(1, 10).take.empty());
  CHECK(letters.Select(1, 10).wait_until == At(25));  // the earliest
  CHECK_EQ(letters.Select(1, 25).take, (Indices{1}));
  CHECK(!letters.Select(1, 25).wait_until);
  CHECK_EQ(letters.Select(1, 30).take, (Indices{0, 2}));  // both are ready: the older key
  CHECK_EQ(letters.Select(1, 10, true).take, (Indices{0, 2}));
}

TEST(Rule6AKeyThatWaitsHoldsUpNoOther) {
  Letters letters({{'a', Wide()}, {'w', Waiting(20)}});
  CHECK_EQ(letters.Add("waw").Select().take, (Indices{1}));
  BatchLimits pairs = Waiting(20);
  pairs.max_requests = 2;
  CHECK_EQ(Letters({{'w', Waiting(20)}, {'p', pairs}}).Add("wppp").Select().take, (Indices{1, 2}));
}

TEST(Rule6TheOldestKeyFirst) {
  Letters letters({{'a', Wide()}, {'b', Wide()}});
  letters.Add("bab");
  CHECK_EQ(letters.Select().take, (Indices{0, 2}));
  letters.candidates[0].deadline = At(0);  // b's oldest live one is younger than a's
  const auto decision = letters.Select();
  CHECK_EQ(decision.expired, (Indices{0}));
  CHECK_EQ(decision.take, (Indices{1}));
}

TEST(Rule6PriorityGoesBeforeAge) {
  Letters letters(
      {{'a', Priority(0)}, {'b', Priority(5)}, {'c', Priority(5)}, {'z', Priority(-1)}});
  CHECK_EQ(letters.Add("zacbcb").Select().take, (Indices{2, 4}));  // c is as high, and older
  Letters mixed({{'a', Priority(0)}, {'w', {Waiting(20), 9}}});
  mixed.Add("aw");
  CHECK_EQ(mixed.Select(1, 1).take, (Indices{0}));  // the higher is not ready
  CHECK_EQ(mixed.Select(1, 20).take, (Indices{1}));
}

// Live work and recordings of one runner are two keys.
TEST(Rule6ABatchMixesNoPriorities) {
  Letters letters({{'a', Wide()}});
  letters.Add("aaaa");
  letters.candidates[1].key.priority = letters.candidates[3].key.priority = 1;
  CHECK_EQ(letters.Select().take, (Indices{1, 3}));
  letters.candidates[0].key.priority = 2;
  CHECK_EQ(letters.Select().take, (Indices{0}));
}

TEST(ThousandsOfKeysAreToldApart) {
  const BatchLimits limits = Wide();
  std::vector<Candidate> candidates;
  constexpr std::uint64_t kKeys = 2000;
  for (std::uint64_t i = 0; i < 3 * kKeys; ++i) {
    const std::uint64_t key = i % kKeys;
    candidates.push_back({{key % 7, key / 7 << (key % 40), static_cast<int>(key % 3)},
                          &limits,
                          10,
                          At(0),
                          At(0),
                          kNever,
                          false});
  }
  for (int round = 0; round < 100; ++round) {
    const BatchDecision decision = SelectBatch(candidates, At(0), 1, false);
    const BatchKey key = candidates[decision.take.front()].key;
    std::vector<Candidate> left;
    for (const Candidate& c : candidates) {
      if (c.key != key) left.push_back(c);
    }
    CHECK_EQ(candidates.size() - left.size(), decision.take.size());
    candidates = std::move(left);
  }
}

TEST(Rule7AKeyWithoutATurnGoesBeforePriorities) {
  Key low = Priority(0);
  low.limits.starvation = milliseconds(100);
  Letters letters({{'l', low}, {'h', Priority(5)}});
  letters.Add("l", 0).Add("h", 50);
  CHECK_EQ(letters.Select(1, 100).take, (Indices{1}));
  CHECK_EQ(letters.Select(1, 101).take, (Indices{0}));
  letters.candidates[0].unserved_since = At(60);  // its key had a turn meanwhile
  CHECK_EQ(letters.Select(1, 101).take, (Indices{1}));
  CHECK_EQ(letters.Select(1, 161).take, (Indices{0}));
}

TEST(Rule7OfSeveralTheOldestAndNoneWithAnEndlessTime) {
  Key low = Priority(0), high = Priority(5);
  low.limits.starvation = high.limits.starvation = milliseconds(10);
  Letters letters({{'l', low}, {'h', high}});
  CHECK_EQ(letters.Add("lh").Select(1, 20).take, (Indices{0}));
  low.limits.starvation = Duration::max();
  Letters endless({{'l', low}, {'h', high}});
  CHECK_EQ(endless.Add("lh").Select(1, 1000000).take, (Indices{1}));
  CHECK(BatchLimits().starvation == std::chrono::seconds(1));
  CHECK_EQ(BatchLimits().live_priority, 1);
}

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
