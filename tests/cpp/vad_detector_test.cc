// The decision of voice activity detection on made-up scores. That it is FunASR's decision is shown
// by the Python tests; here are the cases that audio seldom makes.
#include "asr/decode/vad_detector.h"

#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "vad_feeder.h"

namespace safeasr::asr {
namespace {

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

}  // namespace
}  // namespace safeasr::asr
