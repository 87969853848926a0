// The rules of batch_policy.h where several keys are queued, by their numbers.
#include <algorithm>
#include <map>

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

TEST(Rule8RecordingsWaitForWhatFollowsLiveWork) {
  Key low = Priority(0);
  low.limits.starvation = milliseconds(100);
  const BatchLimits limits = low.limits;
  const auto select = [&](std::vector<Candidate> candidates, int now, bool closing = false) {
    return SelectBatch(candidates, At(now), 1, closing, At(20));
  };
  Candidate recording{{1, 0, 0}, &limits, 1, At(0), At(0)},
      live{{2, 0, 1}, &limits, 1, At(5), At(5)};
  const BatchDecision waits = select({recording}, 10);
  CHECK(waits.take.empty());
  CHECK(waits.wait_until == At(20));
  CHECK_EQ(select({recording, live}, 10).take, (Indices{1}));
  CHECK_EQ(select({recording}, 20).take, (Indices{0}));
  CHECK_EQ(select({recording}, 10, true).take, (Indices{0}));
  recording.unserved_since = At(-91);  // it starves
  CHECK_EQ(select({recording, live}, 10).take, (Indices{0}));
}
