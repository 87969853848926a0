// The decision of voice activity detection on made-up scores. That it is FunASR's decision is shown
// by the Python tests; here are the cases that audio seldom makes.
#include "asr/decode/vad_detector.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace safeasr::asr {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Segments = std::vector<VadSegment>;

std::string Show(const Segments& segments) {
  std::string text;
  for (const VadSegment& s : segments) {
    text += "[" + std::to_string(s.start_ms) + "," + std::to_string(s.end_ms) + "]";
  }
  return text;
}

// Fixed thresholds, one class of silence.
VadOptions Plain() {
  VadOptions options;
  options.dynamic_silence = false;
  return options;
}

VadOptions Streaming() {
  VadOptions options = Plain();
  options.is_streaming_input = true;
  return options;
}

// Probabilities of silence, one class a frame.
std::vector<float> Silence(std::size_t count) { return std::vector<float>(count, 0.95f); }
std::vector<float> Speech(std::size_t count) { return std::vector<float>(count, 0.05f); }

std::vector<float> operator+(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A stream of its own.
class Feeder {
 public:
  explicit Feeder(VadOptions options) : detector(std::move(options)), state(detector.Start()) {}

  Segments Accept(const std::vector<float>& scores, bool is_final = false, float decibel = 0) {
    const std::vector<float> decibels(scores.size(), decibel);
    return detector.Accept(
        state, {scores.data(), decibels.data(), static_cast<std::int64_t>(scores.size()), 1},
        is_final);
  }

  const VadDetector detector;
  VadState state;
};

Segments All(const VadOptions& options, const std::vector<float>& scores) {
  return Feeder(options).Accept(scores, true);
}

std::string Run(const VadOptions& options, const std::vector<float>& scores) {
  return Show(All(options, scores));
}

// 100 frames of silence, 100 of speech, 200 of silence. With a window of 20 frames of which 15 have
// to be speech, speech is known at frame 114, and its end at frame 204.
std::vector<float> Usual() { return Silence(100) + Speech(100) + Silence(200); }

TEST(OneSegment) {
  // Begins a window and the look-back before frame 114; 65 frames of silence (800 ms less the 150
  // of the window) end it at frame 269, back to the look-ahead after frame 204.
  CHECK_EQ(Run(Plain(), Usual()), "[740,2160]");
}

TEST(WithoutExtension) {
  VadOptions options = Plain();
  options.do_extend = false;
  CHECK_EQ(Run(options, Usual()), "[940,2050]");
}

TEST(TimesAroundASegment) {
  VadOptions options = Plain();
  options.lookback_time_start_point = 0;
  options.lookahead_time_end_point = 300;
  CHECK_EQ(Run(options, Usual()), "[940,2360]");
  options.lookback_time_start_point = 5000;
  options.lookahead_time_end_point = 5000;
  // Not before the beginning, and not after the frame that ends it.
  CHECK_EQ(Run(options, Usual()), "[0,2700]");
}

TEST(NothingIsSaid) {
  CHECK_EQ(Run(Plain(), Silence(500)), "");
  CHECK_EQ(Run(Plain(), Speech(14)), "");
  CHECK_EQ(Run(Plain(), {}), "");
  VadOptions options = Plain();
  options.fe_prior_thres = 1.0;
  CHECK_EQ(Run(options, Usual()), "");
}

TEST(TheEndOfTheStreamEndsASegment) {
  CHECK_EQ(Run(Plain(), Silence(100) + Speech(100)), "[740,2000]");
  CHECK_EQ(Run(Plain(), Silence(100) + Speech(100) + Silence(30)), "[740,2300]");
  CHECK_EQ(Run(Plain(), Speech(15)), "[0,150]");  // known in the last frame
}

TEST(SilenceThatEndsASegment) {
  const std::vector<float> two = Silence(100) + Speech(100) + Silence(80) + Speech(100);
  VadOptions options = Plain();
  CHECK_EQ(Run(options, two), "[740,2160][2540,3800]");
  options.max_end_silence_time = 1000;
  CHECK_EQ(Run(options, two), "[740,2160][2640,3800]");  // the window was emptied in between
  options.max_end_silence_time = 1100;
  CHECK_EQ(Run(options, two), "[740,3800]");
  options.max_end_silence_time = kInfinity;
  CHECK_EQ(Run(options, two + Silence(5000)), "[740,53800]");
  options.max_end_silence_time = 0;
  // Less than the window needs: at once.
  CHECK_EQ(Run(options, two), "[740,2060][2540,3800]");
}

TEST(LongSegmentsAreCut) {
  VadOptions options = Plain();
  options.max_single_segment_time = 1000;
  const Segments found = All(options, Speech(1000));
  CHECK(found.size() > 5);
  std::int64_t before = 0;
  for (const VadSegment& s : found) {
    CHECK(s.start_ms >= before);
    CHECK(s.end_ms > s.start_ms);
    CHECK(s.end_ms - s.start_ms <= 1010);
    before = s.end_ms;
  }
  options.max_single_segment_time = kInfinity;
  CHECK_EQ(Run(options, Speech(1000)), "[0,10000]");
}

TEST(ASingleUtterance) {
  VadOptions options = Plain();
  options.single_utterance = true;
  CHECK_EQ(Run(options, Usual() + Usual()), "[740,2160]");
  CHECK_EQ(Run(Plain(), Usual() + Usual()), "[740,2160][4740,6160]");

  options.max_start_silence_time = 500;
  CHECK_EQ(Run(options, Usual()), "");  // it gave up before anything was said
  options.max_start_silence_time = 2000;
  CHECK_EQ(Run(options, Usual()), "[740,2160]");

  Feeder feeder(options);
  feeder.Accept(Usual());
  CHECK(feeder.state.phase == VadState::Phase::kEnded);
  CHECK_EQ(Show(feeder.Accept(Usual(), true)), "");
}

TEST(AStreamReportsWhatIsKnown) {
  Feeder feeder(Streaming());
  const std::vector<float> scores = Usual();
  for (std::size_t at = 0; at < scores.size(); at += 10) {
    const auto begin = scores.begin() + static_cast<std::ptrdiff_t>(at);
    const std::string got = Show(feeder.Accept({begin, begin + 10}, at + 10 == scores.size()));
    const char* expected = "";
    if (at == 110) expected = "[740,-1]";   // frame 114
    if (at == 260) expected = "[-1,2160]";  // frame 269
    CHECK_EQ(got, expected);
  }
}

TEST(AStreamReportsWholeSegmentsOfOneChunk) {
  Feeder feeder(Streaming());
  CHECK_EQ(Show(feeder.Accept(Usual() + Usual() + Speech(20))), "[740,2160][4740,6160][7740,-1]");
  CHECK_EQ(Show(feeder.Accept(Speech(10))), "");
  CHECK_EQ(Show(feeder.Accept(Silence(100) + Speech(50))), "[-1,8460][9040,-1]");
  CHECK_EQ(Show(feeder.Accept(Speech(1), true)), "[-1,9810]");
}

TEST(SegmentsThatAreNotStreamedComeWhenTheyAreClosed) {
  Feeder feeder(Plain());
  CHECK_EQ(Show(feeder.Accept(Usual() + Speech(20))), "[740,2160]");
  CHECK_EQ(Show(feeder.Accept(Speech(30))), "");
  CHECK_EQ(Show(feeder.Accept(Speech(1), true)), "[3740,4510]");
}

TEST(EmptyPieces) {
  Feeder feeder(Streaming()), other(Streaming());
  CHECK_EQ(Show(feeder.Accept({})), "");
  for (const auto& part : {Silence(100), Speech(100), Silence(200)}) {
    CHECK_EQ(Show(feeder.Accept(part)), Show(other.Accept(part)));
    CHECK_EQ(Show(feeder.Accept({})), "");
  }
  CHECK_EQ(Show(feeder.Accept({}, true)), "");
}

TEST(AnEmptyLastPieceEndsWhatIsOpen) {
  for (const bool streaming : {true, false}) {
    for (const std::size_t silent : {0, 3, 6, 30, 100}) {
      const std::vector<float> scores = Silence(100) + Speech(100) + Silence(silent);
      Feeder feeder(streaming ? Streaming() : Plain());
      Segments found = feeder.Accept(scores);
      for (const VadSegment& s : feeder.Accept({}, true)) {
        if (s.start_ms >= 0) {
          found.push_back(s);
        } else {
          found.back().end_ms = s.end_ms;
        }
      }
      CHECK_EQ(Show(found), Run(Plain(), scores));
    }
    Feeder quiet(streaming ? Streaming() : Plain());
    quiet.Accept(Silence(100));
    CHECK_EQ(Show(quiet.Accept({}, true)), "");
  }
}

TEST(TheScheduleFollowsTheSpeech) {
  VadOptions options;
  options.chunk_size = 500;
  options.silence_schedule = {{1000, 1000}, {2000, 500}, {kInfinity, 250}};
  // Chunks of speech, then of silence: what the first and the second of those bring. Each chunk
  // that begins within a segment counts 500 ms.
  const auto run = [&](int chunks) {
    Feeder feeder(options);
    for (int i = 0; i < chunks; ++i) CHECK_EQ(Show(feeder.Accept(Speech(50))), "");
    const std::string first = Show(feeder.Accept(Silence(50)));
    const std::string text = first + ";" + Show(feeder.Accept(Silence(50)));
    CHECK_EQ(feeder.state.speech_ms, 0.0);
    return text;
  };
  CHECK_EQ(run(1), ";[0,660]");  // 1000 ms: 85 frames after frame 54, back to the look-ahead
  CHECK_EQ(run(3), "[0,1660];");
  CHECK_EQ(run(5), "[0,2650];");  // 250 ms: 10 frames, as many as the look-ahead
}

TEST(TheScheduleBringsItsOwnThreshold) {
  // Speech exceeds silence by 0.6: enough for the schedule's 0.5, not for 0.7.
  const std::vector<float> scores = Silence(50) + std::vector<float>(100, 0.2f) + Silence(300);
  VadOptions options = Plain();
  options.speech_noise_thres = 0.7;
  CHECK_EQ(Run(options, scores), "");
  options.dynamic_silence = true;
  CHECK(Run(options, scores) != "");
  options.silence_schedule = {};  // nothing applies
  CHECK_EQ(Run(options, scores), "");
}

TEST(LoudnessDecidesToo) {
  VadOptions options = Plain();
  options.decibel_thres = -20;
  const auto run = [&](float decibel) {
    return Show(Feeder(options).Accept(Usual(), true, decibel));
  };
  CHECK_EQ(run(-20), "[740,2160]");
  CHECK_EQ(run(-21), "");
  options.decibel_thres = -100;
  options.snr_thres = 10;
  CHECK_EQ(run(0), "");  // as loud as the silence before
  Feeder feeder(options);
  feeder.Accept(Silence(100), false, -50);
  CHECK(!feeder.Accept(Speech(100), true, -30).empty());
}

TEST(SeveralClassesOfSilence) {
  VadOptions options = Plain();
  options.sil_pdf_ids = {0, 2};
  const VadDetector detector(options);
  const auto run = [&](float a, float b) {
    std::vector<float> scores;
    for (int i = 0; i < 100; ++i) scores.insert(scores.end(), {a, 1 - a - b, b});
    const std::vector<float> decibels(100, 0.0f);
    VadState state = detector.Start();
    return detector.Accept(state, {scores.data(), decibels.data(), 100, 3}, true).size();
  };
  CHECK_EQ(run(0.05f, 0.05f), 1u);
  CHECK_EQ(run(0.05f, 0.5f), 0u);
  CHECK_EQ(run(0.5f, 0.05f), 0u);

  const std::vector<float> scores(200, 0.05f), decibels(100, 0.0f);
  VadState state = detector.Start();
  const auto few = [&] {
    return detector.Accept(state, {scores.data(), decibels.data(), 100, 2}, true);
  };
  CHECK_THROWS(few(), std::invalid_argument);
  CHECK_EQ(state.frames, 0);
}

TEST(ACopyForksTheStream) {
  Feeder feeder(Streaming());
  feeder.Accept(Silence(100) + Speech(60));
  const VadState fork = feeder.state;
  const std::string once = Show(feeder.Accept(Speech(40) + Silence(200), true));
  feeder.state = fork;
  CHECK_EQ(Show(feeder.Accept(Silence(30))), "");
  feeder.state = fork;
  CHECK_EQ(Show(feeder.Accept(Speech(40) + Silence(200), true)), once);
}

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

// In chunks of random sizes, some empty. Open ends of a stream are put together.
Segments InPieces(const VadDetector& detector, const Given& given, std::mt19937& random) {
  Segments found;
  VadState state = detector.Start();
  const std::size_t longest = random() % 200 + 1, count = given.scores.size();
  for (std::size_t at = 0; at < count;) {
    const std::size_t size = std::min<std::size_t>(random() % (longest + 1), count - at);
    const Segments some = detector.Accept(
        state,
        {given.scores.data() + at, given.decibels.data() + at, static_cast<std::int64_t>(size), 1},
        size > 0 && at + size == count);
    at += size;
    for (const VadSegment& s : some) {
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

TEST(ExtremeValues) {
  std::mt19937 random(3);
  const float scores_of[] = {0.0f, 1.0f, 1e-45f, 1e-38f, 0.99999994f, 2.0f, -1.0f, 3.4e38f, 0.5f};
  const float decibels_of[] = {
      -60.0f, 0.0f, 3.4e38f, -3.4e38f, 1e-45f, -99.9f, std::numeric_limits<float>::infinity()};
  const double times[] = {0, 1, 9.999, 10, 1e6, 9.9e11};
  const double any[] = {0, -kInfinity, kInfinity, 1e300, -1e300, 5e-324, 0.5, 1};
  const auto time = [&] { return times[random() % 6]; };
  const auto number = [&] { return any[random() % 8]; };
  int made = 0;
  for (int round = 0; round < 3000; ++round) {
    VadOptions options;
    options.frame_in_ms = round % 3 == 0 ? 1 : 10;
    options.single_utterance = random() % 3 == 0;
    options.speech_noise_thres = number();
    options.speech_2_noise_ratio = number();
    options.decibel_thres = number();
    options.snr_thres = number();
    options.noise_frame_num_used_for_snr = random() % 2 == 0 ? 1 : 9223372036854775807LL;
    options.fe_prior_thres = number();
    options.window_size_ms = random() % 2 == 0 ? 10 : 3000;
    options.sil_to_speech_time_thres = time();
    options.speech_to_sil_time_thres = time();
    options.max_end_silence_time = random() % 2 == 0 ? kInfinity : time();
    options.max_start_silence_time = number();
    options.max_single_segment_time = number();
    options.do_extend = random() % 2 == 0;
    options.lookback_time_start_point = time();
    options.lookahead_time_end_point = time();
    options.dynamic_silence = random() % 2 == 0;
    options.silence_schedule = {{number(), number()}, {number(), number()}};
    options.chunk_size = random() % 2 == 0 ? 1 : 9.9e11;
    options.is_streaming_input = random() % 2 == 0;
    const VadDetector detector(options);
    ++made;
    VadState state = detector.Start();
    for (int chunk = 0; chunk < 5; ++chunk) {
      std::vector<float> scores, decibels;
      for (std::size_t i = random() % 60; i > 0; --i) {
        scores.push_back(scores_of[random() % 9]);
        decibels.push_back(decibels_of[random() % 7]);
      }
      const std::int64_t seen = state.frames + static_cast<std::int64_t>(scores.size());
      const Segments found = detector.Accept(
          state, {scores.data(), decibels.data(), static_cast<std::int64_t>(scores.size()), 1},
          chunk == 4);
      for (const VadSegment& s : found) {
        CHECK(s.start_ms >= -1 && s.start_ms <= seen * options.frame_in_ms);
        CHECK(s.end_ms >= -1 && s.end_ms <= seen * options.frame_in_ms);
      }
    }
  }
  CHECK_EQ(made, 3000);
}

TEST(SenselessOptionsAreNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](const char* name, const std::function<void(VadOptions&)>& change) {
    VadOptions options;
    change(options);
    std::string message;
    try {
      const VadDetector detector(options);
    } catch (const std::invalid_argument& e) {
      message = e.what();
    }
    CHECK(message.rfind(std::string(name) + ": expected ", 0) == 0);
    CHECK(message.find("got ") != std::string::npos);
  };
  refused("sample_rate", [](VadOptions& o) { o.sample_rate = 0; });
  refused("frame_in_ms", [](VadOptions& o) { o.frame_in_ms = 0; });
  refused("frame_in_ms", [](VadOptions& o) { o.frame_in_ms = 9223372036854775807LL; });
  refused("window_size_ms", [](VadOptions& o) { o.window_size_ms = 9; });
  refused("window_size_ms", [](VadOptions& o) { o.window_size_ms = 1e11; });
  refused("window_size_ms", [&](VadOptions& o) { o.window_size_ms = nan; });
  refused("sil_to_speech_time_thres", [](VadOptions& o) { o.sil_to_speech_time_thres = -1; });
  refused("speech_to_sil_time_thres",
          [](VadOptions& o) { o.speech_to_sil_time_thres = kInfinity; });
  refused("lookback_time_start_point", [](VadOptions& o) { o.lookback_time_start_point = -5; });
  refused("lookahead_time_end_point", [&](VadOptions& o) { o.lookahead_time_end_point = nan; });
  refused("max_end_silence_time", [](VadOptions& o) { o.max_end_silence_time = -1; });
  refused("max_end_silence_time", [&](VadOptions& o) { o.max_end_silence_time = nan; });
  refused("max_start_silence_time", [&](VadOptions& o) { o.max_start_silence_time = nan; });
  refused("max_single_segment_time", [&](VadOptions& o) { o.max_single_segment_time = nan; });
  refused("speech_noise_thres", [&](VadOptions& o) { o.speech_noise_thres = nan; });
  refused("noise_frame_num_used_for_snr",
          [](VadOptions& o) { o.noise_frame_num_used_for_snr = 0; });
  refused("sil_pdf_ids", [](VadOptions& o) { o.sil_pdf_ids = {}; });
  refused("sil_pdf_ids", [](VadOptions& o) { o.sil_pdf_ids = {0, -1}; });
  refused("silence_schedule", [&](VadOptions& o) { o.silence_schedule = {{nan, 1}}; });
  refused("chunk_size", [](VadOptions& o) { o.chunk_size = 0; });
  refused("chunk_size", [](VadOptions& o) { o.chunk_size = 0.01; });
}

}  // namespace
}  // namespace safeasr::asr
