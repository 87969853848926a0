// How a stream is cut into pieces, and what runs beside it, changes no segment.
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "asr/decode/vad_detector.h"
#include "check.h"
#include "vad_feeder.h"

namespace safeasr::asr {
namespace {

// Random turns, each of one probability, and now and then any.
std::vector<float> RandomScores(std::mt19937& random, std::size_t most) {
  const std::size_t count = random() % most + 1;
  std::vector<float> scores;
  const float levels[] = {0.01f, 0.1f, 0.19f, 0.21f, 0.4f, 0.95f};
  while (scores.size() < count) {
    const float level = levels[random() % 6];
    const std::size_t length = random() % 3 == 0 ? random() % 120 : random() % 12;
    for (std::size_t i = 0; i < length; ++i) {
      scores.push_back(random() % 8 == 0 ? static_cast<float>(random() % 1000) / 1000 : level);
    }
  }
  scores.resize(count);
  return scores;
}

VadOptions RandomOptions(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<double> values) {
    return *(values.begin() + random() % values.size());
  };
  VadOptions options = Plain();
  options.single_utterance = random() % 5 == 0;
  options.speech_noise_thres = pick({0.6, 0.2, 0.9, -0.5});
  options.snr_thres = pick({-100, -100, 3});
  options.decibel_thres = pick({-100, -100, -5});
  options.noise_frame_num_used_for_snr = static_cast<std::int64_t>(pick({100, 1, 7}));
  options.window_size_ms = pick({200, 10, 400, 55});
  options.sil_to_speech_time_thres = pick({150, 10, 50});
  options.speech_to_sil_time_thres = pick({150, 0, 50});
  options.max_end_silence_time = pick({800, 200, 0, 150, kInfinity});
  options.max_start_silence_time = pick({3000, 100});
  options.max_single_segment_time = pick({60000, 500, 1500, 10});
  options.do_extend = random() % 3 != 0;
  options.lookback_time_start_point = pick({200, 0, 1000});
  options.lookahead_time_end_point = pick({100, 0, 1000});
  options.speech_2_noise_ratio = pick({1, 0.5, 2});
  return options;
}

struct Given {
  std::vector<float> scores, decibels;
};

// In chunks of random sizes, some empty. Open ends of a stream are put together. What is told whole
// begins in what was said to be needed.
Segments InPieces(const VadDetector& detector, const Given& given, std::mt19937& random) {
  Segments found;
  VadState state = detector.Start();
  const std::size_t longest = random() % 200 + 1, count = given.scores.size();
  for (std::size_t at = 0; at < count;) {
    const std::size_t size = std::min<std::size_t>(random() % (longest + 1), count - at);
    const std::int64_t needed = detector.NeededFrom(state);
    const Segments some = detector.Accept(
        state,
        {given.scores.data() + at, given.decibels.data() + at, static_cast<std::int64_t>(size), 1},
        size > 0 && at + size == count);
    at += size;
    for (const VadSegment& s : some) {
      CHECK(detector.options().is_streaming_input || s.start_ms >= needed);
      if (s.start_ms >= 0) {
        CHECK(found.empty() || found.back().end_ms >= 0);
        found.push_back(s);
      } else {
        CHECK(!found.empty() && found.back().end_ms == -1);
        if (!found.empty()) found.back().end_ms = s.end_ms;
      }
    }
  }
  return found;
}

TEST(HowAStreamIsCutChangesNothing) {
  std::mt19937 random(1);
  std::size_t segments = 0;
  for (int round = 0; round < 10000; ++round) {
    VadOptions options = RandomOptions(random);
    Given given{RandomScores(random, 600), {}};
    for (std::size_t i = 0; i < given.scores.size(); ++i) {
      given.decibels.push_back(static_cast<float>(random() % 30) - 20);
    }
    const VadDetector whole(options);
    VadState state = whole.Start();
    const Segments expected = whole.Accept(state,
                                           {given.scores.data(), given.decibels.data(),
                                            static_cast<std::int64_t>(given.scores.size()), 1},
                                           true);
    segments += expected.size();
    CHECK_EQ(Show(InPieces(whole, given, random)), Show(expected));

    options.is_streaming_input = true;
    Segments streamed = InPieces(VadDetector(options), given, random);
    // A segment found in the very last frame stays open in a stream, as in FunASR.
    if (!streamed.empty() && streamed.back().end_ms == -1 && !expected.empty()) {
      streamed.back().end_ms = expected.back().end_ms;
    }
    CHECK_EQ(Show(streamed), Show(expected));
  }
  CHECK(segments > 10000);
}

TEST(StreamsShareNothing) {
  std::mt19937 random(2);
  constexpr int kStreams = 12;
  std::vector<VadDetector> detectors;
  std::vector<Given> given;
  std::vector<std::string> alone, together(kStreams);
  for (int i = 0; i < kStreams; ++i) {
    VadOptions options = RandomOptions(random);
    options.dynamic_silence = i % 2 == 0;
    options.chunk_size = 100;
    detectors.emplace_back(options);
    Given one{RandomScores(random, 3000), {}};
    one.decibels.assign(one.scores.size(), 0.0f);
    given.push_back(std::move(one));
  }
  const auto feed = [&](int stream, VadState& state, std::size_t at, Segments* found) {
    const Given& g = given[static_cast<std::size_t>(stream)];
    const std::size_t size = std::min<std::size_t>(10, g.scores.size() - at);
    const Segments some = detectors[static_cast<std::size_t>(stream)].Accept(
        state, {g.scores.data() + at, g.decibels.data() + at, static_cast<std::int64_t>(size), 1},
        at + size == g.scores.size());
    found->insert(found->end(), some.begin(), some.end());
  };
  const auto run = [&](int stream) {
    const auto i = static_cast<std::size_t>(stream);
    VadState state = detectors[i].Start();
    Segments found;
    for (std::size_t at = 0; at < given[i].scores.size(); at += 10) {
      feed(stream, state, at, &found);
    }
    return Show(found);
  };
  for (int i = 0; i < kStreams; ++i) alone.push_back(run(i));

  // In turns on one thread.
  std::vector<VadState> states;
  std::vector<Segments> found(kStreams);
  for (const VadDetector& detector : detectors) states.push_back(detector.Start());
  for (std::size_t at = 0; at < 3000; at += 10) {
    for (int i = 0; i < kStreams; ++i) {
      const auto k = static_cast<std::size_t>(i);
      if (at < given[k].scores.size()) feed(i, states[k], at, &found[k]);
    }
  }
  for (std::size_t i = 0; i < kStreams; ++i) CHECK_EQ(Show(found[i]), alone[i]);

  // At once, and every detector in several threads.
  std::vector<std::thread> threads;
  for (int t = 0; t < 2 * kStreams; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 3; ++n)
        CHECK_EQ(run(t % kStreams), alone[static_cast<std::size_t>(t % kStreams)]);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace safeasr::asr
