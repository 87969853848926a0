#include "asr/features/frontend.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "runtime/upload.h"

namespace safeasr::asr {

FbankOptions MakeFbankOptions(const FrontendConfig& config) {
  FbankOptions options;
  options.sample_rate = config.sample_rate;
  options.n_mels = config.n_mels;
  options.frame_length_ms = config.frame_length_ms;
  options.frame_shift_ms = config.frame_shift_ms;
  options.window = config.window;
  options.snip_edges = config.snip_edges;
  options.scale = config.upscale_samples ? 32768.0f : 1.0f;
  options.dither = config.dither;
  return options;
}

LfrOptions MakeLfrOptions(const FrontendConfig& config) {
  const LfrOptions options{config.lfr_m, config.lfr_n};
  CheckLfr(options);
  return options;
}

bool AllFinite(c10::ArrayRef<float> samples) {
  // All exponent bits set means NaN or infinity. Looked at as integers, the loop vectorises.
  constexpr uint32_t kExponent = 0x7f800000u;
  uint32_t found = 0;
  for (const float& sample : samples) {
    uint32_t bits = 0;
    std::memcpy(&bits, &sample, sizeof(bits));
    found |= (bits & kExponent) == kExponent ? 1u : 0u;
  }
  return found == 0;
}

Frontend::Frontend(FrontendConfig config)
    : config_(std::move(config)),
      lfr_(MakeLfrOptions(config_)),
      fbank_(MakeFbankOptions(config_)),
      cmvn_(config_.cmvn_shift, config_.cmvn_scale, FeatureSize()) {}

int64_t Frontend::NumFrames(int64_t samples) const {
  return LfrLength(fbank_.NumFrames(samples), lfr_);
}

void Frontend::CheckFinite(const std::vector<c10::ArrayRef<float>>& waves) const {
  for (size_t i = 0; i < waves.size(); ++i) {
    if (!AllFinite(waves[i])) {
      throw std::invalid_argument("utterance " + std::to_string(i) +
                                  ": expected finite samples, got NaN or infinity");
    }
  }
}

FeatureRows Frontend::ComputeRows(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                                  uint64_t dither_seed) const {
  CheckFinite(waves);
  return Assemble(waves, fbank_.Compute(waves, device, dither_seed));
}

Features Frontend::Compute(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                           uint64_t dither_seed) const {
  return Pad(ComputeRows(waves, device, dither_seed));
}

Features Frontend::ComputePortable(const std::vector<c10::ArrayRef<float>>& waves,
                                   at::Device device) const {
  CheckFinite(waves);
  return Pad(Assemble(waves, fbank_.ComputePortable(waves, device)));
}

FeatureRows Frontend::Assemble(const std::vector<c10::ArrayRef<float>>& waves,
                               const at::Tensor& frames) const {
  FeatureRows features;
  int64_t rows = 0;
  for (const auto& wave : waves) {
    features.lengths.push_back(NumFrames(static_cast<int64_t>(wave.size())));
    rows += features.lengths.back();
  }
  if (rows == 0) {
    features.values = at::zeros({0, FeatureSize()}, frames.options());
    return features;
  }
  if (lfr_.Identity()) {
    features.values = frames;
  } else {
    // One gather stacks the whole batch.
    const at::Tensor index = runtime::Staging({rows * lfr_.m}, at::kLong, frames.device());
    int64_t* to = index.data_ptr<int64_t>();
    int64_t offset = 0;
    for (size_t i = 0; i < waves.size(); ++i) {
      const int64_t count = fbank_.NumFrames(static_cast<int64_t>(waves[i].size()));
      if (count > 0) FillLfrIndex(count, offset, lfr_, to);
      to += features.lengths[i] * lfr_.m;
      offset += count;
    }
    features.values =
        frames.index_select(0, runtime::Upload(index, frames.device())).view({rows, FeatureSize()});
  }
  cmvn_.Apply(features.values);
  return features;
}

Features Frontend::Pad(const FeatureRows& rows) const {
  Features features;
  features.lengths = rows.lengths;
  int64_t longest = 0;
  for (const int64_t length : rows.lengths) longest = std::max(longest, length);
  const auto batch = static_cast<int64_t>(rows.lengths.size());
  features.values = at::zeros({batch, longest, FeatureSize()}, rows.values.options());
  int64_t first = 0;
  for (int64_t i = 0; i < batch; ++i) {
    const int64_t length = rows.lengths[static_cast<size_t>(i)];
    features.values[i].narrow(0, 0, length).copy_(rows.values.narrow(0, first, length));
    first += length;
  }
  return features;
}

}  // namespace safeasr::asr
