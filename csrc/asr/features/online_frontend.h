// The frontend of a stream: samples arrive in pieces of any size, rows leave as soon as all frames
// they stack are known.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "asr/features/frontend.h"

namespace safeasr::asr {

// All that a stream has to remember between two pieces. A plain value: copying it forks the stream,
// assigning a fresh one restarts it. One state belongs to one stream, and only one call may work
// on it at a time.
struct OnlineFrontendState {
  std::vector<float> pending;  // samples from the start of the next frame on
  std::vector<float> splice;   // (frames, n_mels) frames that rows to come still stack
  bool has_splice = false;     // a frame was seen, so `splice` begins with its left context

  // For callers that want the samples of each row.
  std::vector<float> wave;  // samples from the start of the next row on
  int64_t wave_start = 0;   // number of its first sample in the stream
  int64_t rows = 0;         // rows given out so far
};

struct OnlineFeatures {
  at::Tensor values;  // (rows, n_mels * lfr_m) float32 on the CPU; zero rows when none are ready
  // Samples, as they came, from the start of the first row's window to the end of the last row's:
  // (rows - 1) * lfr_n * shift + window of them. Empty unless asked for and rows > 0.
  std::vector<float> wave;
};

// FunASR's WavFrontendOnline (funasr/frontends/wav_frontend.py). Immutable after construction; one
// object serves any number of streams in any number of threads, each with its own state.
//
// As there, snip_edges and upscale_samples have no effect (frames lie inside the wave, and samples
// are always scaled), samples after the last whole frame are not used, and a stream shorter than
// one frame gives no rows.
class OnlineFrontend {
 public:
  // Throws std::invalid_argument when the configuration cannot give features.
  explicit OnlineFrontend(FrontendConfig config);

  int64_t FeatureSize() const { return static_cast<int64_t>(config_.n_mels) * config_.lfr_m; }
  const FrontendConfig& config() const { return config_; }
  // Samples of a frame's window and from one frame to the next.
  int64_t window_size() const { return fbank_.window_size(); }
  int64_t window_shift() const { return fbank_.window_shift(); }

  // Takes the next `samples` of the stream, which may be empty, and returns the rows they complete.
  // `is_final` flushes the rows that wait for frames to come, and leaves `state` fresh, ready for
  // another stream. `keep_wave` must be the same for all pieces of a stream.
  // Throws std::invalid_argument when a sample is NaN or infinite. On any error `state` is as it
  // was before the call.
  OnlineFeatures Accept(OnlineFrontendState& state, c10::ArrayRef<float> samples, bool is_final,
                        bool keep_wave = false) const;

 private:
  // Takes the samples of the next `count` rows out of the state.
  std::vector<float> TakeWave(OnlineFrontendState& state, int64_t count) const;

  FrontendConfig config_;
  LfrOptions lfr_;
  Fbank fbank_;
  Cmvn cmvn_;
};

}  // namespace safeasr::asr
