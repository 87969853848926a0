// Made-up scores for the detector, and a stream that takes them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "asr/decode/vad_detector.h"

namespace safeasr::asr {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Segments = std::vector<VadSegment>;

inline std::string Show(const Segments& segments) {
  std::string text;
  for (const VadSegment& s : segments) {
    text += "[" + std::to_string(s.start_ms) + "," + std::to_string(s.end_ms) + "]";
  }
  return text;
}

// Fixed thresholds, one class of silence.
inline VadOptions Plain() {
  VadOptions options;
  options.dynamic_silence = false;
  return options;
}

inline VadOptions Streaming() {
  VadOptions options = Plain();
  options.is_streaming_input = true;
  return options;
}

// Probabilities of silence, one class a frame.
inline std::vector<float> Silence(std::size_t count) { return std::vector<float>(count, 0.95f); }
inline std::vector<float> Speech(std::size_t count) { return std::vector<float>(count, 0.05f); }

inline std::vector<float> operator+(std::vector<float> a, const std::vector<float>& b) {
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

inline Segments All(const VadOptions& options, const std::vector<float>& scores) {
  return Feeder(options).Accept(scores, true);
}

inline std::string Run(const VadOptions& options, const std::vector<float>& scores) {
  return Show(All(options, scores));
}

// 100 frames of silence, 100 of speech, 200 of silence. With a window of 20 frames of which 15 have
// to be speech, speech is known at frame 114, and its end at frame 204.
inline std::vector<float> Usual() { return Silence(100) + Speech(100) + Silence(200); }

}  // namespace safeasr::asr
