#include "asr/decode/vad_options.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace safeasr::asr {
namespace {

constexpr std::int64_t kMinute = 60000;  // ms

void Require(bool condition, const char* name, const char* expected, double got) {
  if (condition) return;
  throw std::invalid_argument(std::string(name) + ": expected " + expected + ", got " +
                              std::to_string(got));
}

void RequireNumber(const char* name, double value) {
  Require(!std::isnan(value), name, "a number", value);
}

// Frames are counted in it, so it has to be an honest length.
void RequireTime(const char* name, double ms) {
  Require(std::isfinite(ms) && ms >= 0 && ms < 1e12, name, "a time of 0 ms or more", ms);
}

}  // namespace

void CheckVadOptions(const VadOptions& o) {
  Require(o.sample_rate > 0, "sample_rate", "a positive number of Hz", o.sample_rate);
  Require(o.frame_in_ms >= 1 && o.frame_in_ms <= kMinute, "frame_in_ms", "from 1 ms to a minute",
          static_cast<double>(o.frame_in_ms));
  // A byte is kept for each of its frames.
  Require(
      o.window_size_ms >= static_cast<double>(o.frame_in_ms) && o.window_size_ms <= 60 * kMinute,
      "window_size_ms", "from one frame to an hour", o.window_size_ms);
  RequireTime("sil_to_speech_time_thres", o.sil_to_speech_time_thres);
  RequireTime("speech_to_sil_time_thres", o.speech_to_sil_time_thres);
  RequireTime("lookback_time_start_point", o.lookback_time_start_point);
  RequireTime("lookahead_time_end_point", o.lookahead_time_end_point);
  // Infinity is a fair way to say never.
  Require(o.max_end_silence_time >= 0, "max_end_silence_time", "a time of 0 ms or more",
          o.max_end_silence_time);
  RequireNumber("max_start_silence_time", o.max_start_silence_time);
  RequireNumber("max_single_segment_time", o.max_single_segment_time);
  RequireNumber("speech_noise_thres", o.speech_noise_thres);
  RequireNumber("speech_2_noise_ratio", o.speech_2_noise_ratio);
  RequireNumber("decibel_thres", o.decibel_thres);
  RequireNumber("snr_thres", o.snr_thres);
  RequireNumber("fe_prior_thres", o.fe_prior_thres);
  Require(o.noise_frame_num_used_for_snr >= 1, "noise_frame_num_used_for_snr", "at least 1",
          static_cast<double>(o.noise_frame_num_used_for_snr));
  Require(!o.sil_pdf_ids.empty(), "sil_pdf_ids", "at least one", 0);
  for (const std::int64_t id : o.sil_pdf_ids) {
    Require(id >= 0, "sil_pdf_ids", "numbers that are not negative", static_cast<double>(id));
  }
  for (const SilenceStep& step : o.silence_schedule) {
    RequireNumber("silence_schedule", step.speech_ms);
    RequireNumber("silence_schedule", step.silence_ms);
  }
  RequireTime("chunk_size", o.chunk_size);
  Require(o.chunk_size * o.sample_rate / 1000 >= 1, "chunk_size", "at least one sample",
          o.chunk_size);
}

}  // namespace safeasr::asr
