// The rules of batch_policy.h that concern one key, by their numbers. Nothing here waits: `now` is
// an argument.
#include "core/batch_policy.h"

#include <algorithm>
#include <limits>

#include "check.h"
#include "support.h"

using namespace safeasr::core;

namespace {

using std::chrono::milliseconds;
using Indices = std::vector<std::size_t>;

const TimePoint kStart = TimePoint{} + std::chrono::hours(1);
TimePoint At(int ms) { return kStart + milliseconds(ms); }

Candidate Make(std::int64_t length, std::uint64_t options = 0, int arrival_ms = 0) {
  return {{1, options, 0}, nullptr, length, At(arrival_ms), At(arrival_ms), kNever, false};
}

std::vector<Candidate> Lengths(std::initializer_list<std::int64_t> lengths) {
  std::vector<Candidate> out;
  for (const std::int64_t length : lengths) out.push_back(Make(length));
  return out;
}

// No limit but the ones that a test sets.
BatchLimits Wide() { return {1000, 1 << 30, 1.0, Duration(0), true}; }

// With the same limits for all.
BatchDecision Select(std::vector<Candidate> candidates, const BatchLimits& limits,
                     std::size_t free_workers = 1, TimePoint now = At(0), bool closing = false) {
  for (Candidate& c : candidates) c.limits = &limits;
  return SelectBatch(candidates, now, free_workers, closing);
}

}  // namespace

namespace check {
template <>
std::string Show(const Indices& indices) {
  std::string out = "{";
  for (const std::size_t i : indices) out += std::to_string(i) + " ";
  return out + "}";
}
}  // namespace check

TEST(NothingQueuedNothingDecided) {
  const auto decision = Select({}, Wide());
  CHECK(decision.take.empty() && decision.expired.empty() && !decision.wait_until);
}

TEST(Rule1ExpiredIsReportedAndNotTaken) {
  auto candidates = Lengths({10, 10, 10, 10});
  candidates[0].deadline = At(5);
  candidates[1].deadline = At(10);  // a deadline that is now has passed
  candidates[2].deadline = At(11);
  const auto decision = Select(candidates, Wide(), 1, At(10));
  CHECK_EQ(decision.expired, (Indices{0, 1}));
  CHECK_EQ(decision.take, (Indices{2, 3}));
}

TEST(Rule1AllExpiredTakesNothing) {
  auto candidates = Lengths({10, 10});
  for (auto& c : candidates) c.deadline = At(1);
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(100);
  const auto decision = Select(candidates, limits, 1, At(2));
  CHECK_EQ(decision.expired, (Indices{0, 1}));
  CHECK(decision.take.empty() && !decision.wait_until);
}

TEST(Rule2TheOldestIsTakenThoughItExceedsEveryLimit) {
  BatchLimits limits{1, 10, 0.0, Duration(0), true};
  CHECK_EQ(Select(Lengths({1000, 1, 1}), limits).take, (Indices{0}));
  limits.max_requests = 0;
  CHECK_EQ(Select(Lengths({1000, 1, 1}), limits).take, (Indices{0}));
}

TEST(Rule2TheOldestIsTheFirstThatHasNotExpired) {
  auto candidates = Lengths({1000, 10, 10});
  candidates[0].deadline = At(0);
  candidates[0].key.options = 5;
  CHECK_EQ(Select(candidates, Wide(), 1, At(1)).take, (Indices{1, 2}));
}

TEST(Rule3KeysAreEqual) {
  auto candidates = Lengths({10, 10, 10, 10});
  candidates[1].key.options = 7;
  candidates[3].key.runner = 2;
  CHECK_EQ(Select(candidates, Wide()).take, (Indices{0, 2}));
}

TEST(Rule3MaxRequests) {
  BatchLimits limits = Wide();
  limits.max_requests = 3;
  CHECK_EQ(Select(Lengths({5, 5, 5, 5, 5}), limits).take, (Indices{0, 1, 2}));
}

TEST(Rule3CostIsCountTimesLongest) {
  BatchLimits limits = Wide();
  limits.max_cost = 100;
  // 2 x 40 = 80 fits; a third would cost 3 x 40 = 120 although the lengths add up to 60.
  CHECK_EQ(Select(Lengths({40, 10, 10}), limits).take.size(), 2u);
  CHECK_EQ(Select(Lengths({25, 25, 25, 25, 25}), limits).take.size(), 4u);
  CHECK_EQ(Select(Lengths({10, 51}), limits).take, (Indices{0}));
  CHECK_EQ(Select(Lengths({10, 50}), limits).take, (Indices{0, 1}));
}

TEST(Rule3HugeLengthsDoNotOverflow) {
  constexpr auto kHuge = std::numeric_limits<std::int64_t>::max();
  BatchLimits limits = Wide();
  CHECK_EQ(Select(Lengths({kHuge, kHuge, 1}), limits).take, (Indices{0}));
  CHECK_EQ(Select(Lengths({1, kHuge}), limits).take, (Indices{0}));
  limits.max_cost = kHuge;
  CHECK_EQ(Select(Lengths({kHuge, kHuge, 1}), limits).take, (Indices{0}));
}

TEST(Rule3NearestInLengthFirst) {
  BatchLimits limits = Wide();
  limits.max_requests = 3;
  CHECK_EQ(Select(Lengths({50, 10, 90, 52, 49, 60}), limits).take, (Indices{0, 3, 4}));
  // Equally near: the older first.
  CHECK_EQ(Select(Lengths({50, 55, 45, 55}), limits).take, (Indices{0, 1, 2}));
}

TEST(Rule3PaddingStaysUnderItsShare) {
  BatchLimits limits = Wide();
  limits.max_padding = 0.25;
  CHECK_EQ(Select(Lengths({100, 50}), limits).take, (Indices{0, 1}));  // 50 of 200
  CHECK_EQ(Select(Lengths({100, 49}), limits).take, (Indices{0}));
  limits.max_padding = 0.0;
  CHECK_EQ(Select(Lengths({100, 99, 100}), limits).take, (Indices{0, 2}));
}

TEST(Rule3OneThatDoesNotFitKeepsNobodyElseOut) {
  BatchLimits limits = Wide();
  limits.max_cost = 120;
  // 50 is nearer to 40 than 25 is, but 3 x 50 is too much; 25 still goes in.
  CHECK_EQ(Select(Lengths({40, 35, 50, 25}), limits).take, (Indices{0, 1, 3}));
}

// Of a long backlog the oldest are chosen from, so that a choice takes the same time for any
// length.
TEST(Rule3OfVeryManyTheOldestAreChosenFrom) {
  std::vector<Candidate> candidates = {Make(50)};
  for (int i = 1; i < 256; ++i) candidates.push_back(Make(60));
  for (int i = 0; i < 5000; ++i) candidates.push_back(Make(50));  // nearer in length
  BatchLimits limits = Wide();
  limits.max_requests = 3;
  CHECK_EQ(Select(candidates, limits).take, (Indices{0, 1, 2}));
  candidates[200].length = 50;
  CHECK_EQ(Select(candidates, limits).take, (Indices{0, 1, 200}));
  limits.max_requests = 1000;  // as many as a batch may hold are looked at in any case
  CHECK_EQ(Select(candidates, limits).take.size(), 1000u);
}

TEST(Rule4FreeWorkersShare) {
  const auto eight = Lengths({5, 5, 5, 5, 5, 5, 5, 5});
  CHECK_EQ(Select(eight, Wide(), 1).take.size(), 8u);
  CHECK_EQ(Select(eight, Wide(), 2).take.size(), 4u);
  CHECK_EQ(Select(eight, Wide(), 3).take.size(), 3u);  // rounded up
  CHECK_EQ(Select(eight, Wide(), 100).take.size(), 1u);
  BatchLimits limits = Wide();
  limits.share_among_free_workers = false;
  CHECK_EQ(Select(eight, limits, 4).take.size(), 8u);
}

TEST(Rule4WhoWaitsForCompanyDoesNotShare) {
  BatchLimits limits = Wide();
  limits.max_requests = 8;
  limits.max_wait = milliseconds(20);
  const auto eight = Lengths({5, 5, 5, 5, 5, 5, 5, 5});
  CHECK_EQ(Select(eight, limits, 2).take.size(), 8u);  // full: no reason to wait, none to split
}

TEST(Rule4OnlyLiveRequestsAreShared) {
  auto candidates = Lengths({5, 5, 5, 5, 5, 5});
  for (std::size_t i = 0; i < 4; ++i) candidates[i].deadline = At(0);
  CHECK_EQ(Select(candidates, Wide(), 2).take, (Indices{4}));
}

TEST(Rule5WaitsUntilTheOldestHasWaitedMaxWait) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  const std::vector<Candidate> candidates = {Make(10, 0, 3), Make(10, 0, 9)};
  for (const int now : {3, 10, 22}) {
    const auto decision = Select(candidates, limits, 1, At(now));
    CHECK(decision.take.empty());
    CHECK(decision.wait_until == At(23));
  }
  for (const int now : {23, 24, 1000}) {
    const auto decision = Select(candidates, limits, 1, At(now));
    CHECK_EQ(decision.take, (Indices{0, 1}));
    CHECK(!decision.wait_until);
  }
}

TEST(Rule5ExpiredAreReportedWhileOthersWait) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  auto candidates = Lengths({10, 10});
  candidates[0].deadline = At(1);
  const auto decision = Select(candidates, limits, 1, At(2));
  CHECK_EQ(decision.expired, (Indices{0}));
  CHECK(decision.take.empty() && decision.wait_until == At(20));
}

TEST(Rule5AFullBatchDoesNotWait) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  limits.max_requests = 2;
  CHECK_EQ(Select(Lengths({10, 10, 10}), limits).take, (Indices{0, 1}));
  limits = {1000, 35, 1.0, milliseconds(20), true};
  CHECK_EQ(Select(Lengths({10, 10, 10}), limits).take.size(), 3u);  // a fourth would cost 40
  limits.max_cost = 15;
  CHECK_EQ(Select(Lengths({10}), limits).take, (Indices{0}));  // no company could fit
}

TEST(Rule5ClosingDoesNotWait) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  CHECK_EQ(Select(Lengths({10}), limits, 1, At(0), true).take, (Indices{0}));
}

// Waiting for company until a deadline would run nothing and then report it as too late.
TEST(Rule5ADeadlineWithinTheWaitEndsItAtOnce) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  auto candidates = Lengths({10, 10});
  candidates[0].deadline = At(20);
  CHECK_EQ(Select(candidates, limits).take, (Indices{0, 1}));
  candidates[0].deadline = At(21);
  CHECK(Select(candidates, limits).wait_until == At(20));
  candidates[1].deadline = At(5);  // also that of a younger one
  CHECK_EQ(Select(candidates, limits).take, (Indices{0, 1}));
  candidates[1].key.options = 9;  // of another key: that one need not wait, the first still does
  CHECK_EQ(Select(candidates, limits).take, (Indices{1}));
}

// What has begun is not held up for company: that joins it at the next piece.
TEST(Rule5ABegunRequestDoesNotWait) {
  BatchLimits limits = Wide();
  limits.max_wait = milliseconds(20);
  auto candidates = Lengths({10, 10, 10});
  CHECK(Select(candidates, limits).wait_until.has_value());
  candidates[2].begun = true;
  CHECK_EQ(Select(candidates, limits).take, (Indices{0, 1, 2}));
  candidates[2].deadline = At(0);  // nor does one that is over keep others from waiting
  CHECK(Select(candidates, limits).wait_until.has_value());
}

TEST(Rule5AnEndlessWaitDoesNotOverflow) {
  BatchLimits limits = Wide();
  limits.max_wait = Duration::max();
  CHECK(Select(Lengths({10}), limits).wait_until == kNever);
  CHECK_EQ(Select(Lengths({10}), limits, 1, At(0), true).take, (Indices{0}));
}
