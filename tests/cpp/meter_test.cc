// What is known of how long requests waited and ran: histograms, those of runners, and meters.
#include "core/meter.h"

#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

#include "check.h"
#include "core/duration_histogram.h"
#include "fake_runner.h"
#include "support.h"

using namespace safeasr::core;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

DurationHistogram::Counts CountsOf(const DurationHistogram& histogram) {
  DurationHistogram::Counts counts{};
  histogram.AddTo(&counts);
  return counts;
}

std::uint64_t HowMany(const DurationHistogram& histogram) {
  const DurationHistogram::Counts counts = CountsOf(histogram);
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void Sleep(const Numbers&) { std::this_thread::sleep_for(milliseconds(20)); }

}  // namespace

TEST(BucketsDoubleFromOneMicrosecond) {
  DurationHistogram histogram;
  for (const int us : {-5, 0, 1, 2, 3, 4, 1023, 1024}) histogram.Add(microseconds(us));
  histogram.Add(std::chrono::hours(24 * 365));
  const DurationHistogram::Counts counts = CountsOf(histogram);
  CHECK_EQ(counts[0], 2u);   // under 1 us
  CHECK_EQ(counts[1], 1u);   // under 2
  CHECK_EQ(counts[2], 2u);   // under 4
  CHECK_EQ(counts[3], 1u);   // under 8
  CHECK_EQ(counts[10], 1u);  // under 1024
  CHECK_EQ(counts[11], 1u);
  CHECK_EQ(counts.back(), 1u);
  CHECK_EQ(HowMany(histogram), 9u);
}

TEST(AMeterKnowsWhenItsRequestsWaitedAndRan) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner =
      std::make_shared<FakeRunner>(BatchLimits{1, 1 << 30, 1.0, Duration(0), false}, &Sleep);
  SubmitOptions options;
  options.meter = std::make_shared<Meter>();
  CHECK_EQ(options.meter->Read().requests, 0u);
  const TimePoint before = Clock::now();
  std::shared_ptr<Ticket> first, second;
  {
    Blocker blocker(engine);
    first = Submit(engine, runner, 1, options);
    second = Submit(engine, runner, 2, options);
    std::this_thread::sleep_for(milliseconds(30));
  }
  CHECK(first->WaitUntil(Soon()) && second->WaitUntil(Soon()));
  // At once: whoever has the answers finds it there.
  const Meter::Reading reading = options.meter->Read();
  CHECK_EQ(reading.requests, 2u);
  CHECK(reading.waited >= milliseconds(30 + 30 + 20));
  CHECK(reading.ran >= milliseconds(40));
  CHECK(reading.arrival >= before);
  CHECK(reading.start - reading.arrival >= milliseconds(30));
  CHECK(reading.end - reading.start >= milliseconds(40));
  CHECK(reading.end <= Clock::now());
}

TEST(RunnersAreCountedEachByItself) {
  Engine engine({1, 1024}, NoContexts());
  const auto one = std::make_shared<FakeRunner>(), other = std::make_shared<FakeRunner>();
  {
    Blocker blocker(engine);
    for (int i = 0; i < 6; ++i) Submit(engine, one, i);
    Submit(engine, other, 1);
  }
  engine.Close(CloseMode::kDrain);
  CHECK_EQ(HowMany(one->counters().queue_time), 6u);
  CHECK_EQ(HowMany(one->counters().run_time), one->batches().size());
  CHECK_EQ(HowMany(other->counters().queue_time), 1u);
  CHECK_EQ(HowMany(engine.counters().queue_time), 8u);  // the blocker's too
}

TEST(LiveWorkIsCountedBesideAllWork) {
  Engine engine({1, 1024}, NoContexts());
  const auto runner = std::make_shared<FakeRunner>();
  const auto lane = engine.MakeLane(8);
  for (int i = 0; i < 3; ++i) Submit(*lane, runner, i);
  Submit(engine, runner, 7);
  engine.Close(CloseMode::kDrain);
  const Counters& counters = engine.counters();
  CHECK_EQ(HowMany(counters.live_queue_time), 3u);
  CHECK_EQ(HowMany(counters.queue_time), 4u);
  CHECK_EQ(HowMany(counters.live_run_time) + 1, HowMany(counters.run_time));
}
