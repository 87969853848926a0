// Scores, loudness and options of any value: nothing breaks, and what makes no sense is named.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "asr/decode/vad_detector.h"
#include "check.h"
#include "vad_feeder.h"

namespace safeasr::asr {
namespace {

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
