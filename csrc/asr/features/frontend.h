// From samples to model input: filterbank, low frame rate stacking, normalisation.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "asr/features/cmvn.h"
#include "asr/features/fbank.h"
#include "asr/features/lfr.h"

namespace safeasr::asr {

// Meanings and defaults of FunASR's `frontend_conf`, except dither: FunASR adds noise (1.0) unless
// a model says otherwise, and then gives another answer each time it is asked.
struct FrontendConfig {
  int sample_rate = 16000;  // Hz
  int n_mels = 80;
  double frame_length_ms = 25;
  double frame_shift_ms = 10;
  int lfr_m = 1;  // frames stacked into one row
  int lfr_n = 1;  // frames from one row to the next
  std::string window = "hamming";
  bool snip_edges = true;
  bool upscale_samples = true;    // samples come as [-1, 1] and are taken to 16 bit range
  double dither = 0;              // standard deviation of noise, in 16 bit units
  std::vector<float> cmvn_shift;  // (n_mels * lfr_m), or empty for no normalisation
  std::vector<float> cmvn_scale;  // likewise
};

struct Features {
  at::Tensor values;             // (batch, max rows, n_mels * lfr_m) float32, zero padded
  std::vector<int64_t> lengths;  // rows of each utterance
};

struct FeatureRows {
  at::Tensor values;             // (rows of all utterances one below the other, n_mels * lfr_m)
  std::vector<int64_t> lengths;  // rows of each utterance
};

// Options of the filterbank and the stacking that `config` asks for.
FbankOptions MakeFbankOptions(const FrontendConfig& config);
LfrOptions MakeLfrOptions(const FrontendConfig& config);

// True when no sample is NaN or infinite.
bool AllFinite(c10::ArrayRef<float> samples);

// FunASR's WavFrontend (funasr/frontends/wav_frontend.py). Immutable after construction, so one
// object serves any number of threads.
//
// Lengths that FunASR refuses: an empty utterance has no rows; an utterance so short that FunASR's
// transform leaves filters empty (256 samples and less with the defaults) is analysed with a
// longer, zero-padded transform.
class Frontend {
 public:
  // Throws std::invalid_argument when the configuration cannot give features.
  explicit Frontend(FrontendConfig config);

  const FrontendConfig& config() const { return config_; }

  // Rows that an utterance of that many samples gives, without computing them.
  int64_t NumFrames(int64_t samples) const;
  // Values in a row.
  int64_t FeatureSize() const { return static_cast<int64_t>(config_.n_mels) * config_.lfr_m; }

  // Features of a batch of utterances at the configured sample rate. What an utterance gets does
  // not depend on the rest of its batch: to the bit on the CPU, to rounding elsewhere.
  // Throws std::invalid_argument, naming the utterance, when a sample is NaN or infinite. Nothing
  // is computed for the others then: check with AllFinite before forming a batch.
  // `dither_seed` starts the noise of each utterance; without dither it has no effect.
  Features Compute(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                   uint64_t dither_seed = 0) const;

  // The same features without padding: what batches are made of.
  FeatureRows ComputeRows(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                          uint64_t dither_seed = 0) const;

  // Compute by the tensor operations that other devices run, on any device; for tests.
  Features ComputePortable(const std::vector<c10::ArrayRef<float>>& waves, at::Device device) const;

 private:
  void CheckFinite(const std::vector<c10::ArrayRef<float>>& waves) const;
  // Stacks and normalises (sum of frames, n_mels).
  FeatureRows Assemble(const std::vector<c10::ArrayRef<float>>& waves,
                       const at::Tensor& frames) const;
  Features Pad(const FeatureRows& rows) const;

  FrontendConfig config_;
  LfrOptions lfr_;
  Fbank fbank_;
  Cmvn cmvn_;
};

}  // namespace safeasr::asr
