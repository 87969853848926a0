#include "asr/frontend.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

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

Features Frontend::Compute(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                           uint64_t dither_seed) const {
  CheckFinite(waves);
  return Assemble(waves, fbank_.Compute(waves, device, dither_seed));
}

Features Frontend::ComputePortable(const std::vector<c10::ArrayRef<float>>& waves,
                                   at::Device device) const {
  CheckFinite(waves);
  return Assemble(waves, fbank_.ComputePortable(waves, device));
}

Features Frontend::Assemble(const std::vector<c10::ArrayRef<float>>& waves,
                            const at::Tensor& frames) const {
  Features features;
  const auto batch = static_cast<int64_t>(waves.size());
  int64_t longest = 0;
  int64_t shortest = batch == 0 ? 0 : INT64_MAX;
  features.lengths.reserve(waves.size());
  for (const auto& wave : waves) {
    features.lengths.push_back(NumFrames(static_cast<int64_t>(wave.size())));
    longest = std::max(longest, features.lengths.back());
    shortest = std::min(shortest, features.lengths.back());
  }
  if (batch == 0 || longest == 0) {
    features.values = at::zeros({batch, longest, FeatureSize()}, frames.options());
    return features;
  }

  const bool padded = shortest < longest;
  if (lfr_.Identity() && !padded) {
    features.values = frames.view({batch, longest, FeatureSize()});
  } else {
    // One gather stacks and pads the whole batch. Padding reads frame 0 and is cleared below.
    const at::Tensor index = at::zeros({batch, longest * lfr_.m}, at::kLong);
    int64_t* rows = index.data_ptr<int64_t>();
    int64_t offset = 0;
    for (size_t i = 0; i < waves.size(); ++i) {
      const int64_t count = fbank_.NumFrames(static_cast<int64_t>(waves[i].size()));
      if (count > 0) FillLfrIndex(count, offset, lfr_, rows + i * longest * lfr_.m);
      offset += count;
    }
    features.values = frames.index_select(0, index.view({-1}).to(frames.device()))
                          .view({batch, longest, FeatureSize()});
  }
  cmvn_.Apply(features.values);
  for (int64_t i = 0; padded && i < batch; ++i) {
    const int64_t length = features.lengths[static_cast<size_t>(i)];
    if (length < longest) features.values.select(0, i).narrow(0, length, longest - length).zero_();
  }
  return features;
}

}  // namespace safeasr::asr
