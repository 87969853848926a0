#include "asr/features/online_frontend.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace safeasr::asr {
namespace {

FbankOptions MakeOnlineFbankOptions(FrontendConfig config) {
  config.snip_edges = true;
  config.upscale_samples = true;
  return MakeFbankOptions(config);
}

}  // namespace

OnlineFrontend::OnlineFrontend(FrontendConfig config)
    : config_(std::move(config)),
      lfr_(MakeLfrOptions(config_)),
      fbank_(MakeOnlineFbankOptions(config_)),
      cmvn_(config_.cmvn_shift, config_.cmvn_scale, FeatureSize()) {
  if (fbank_.window_size() < fbank_.window_shift()) {
    // Samples between two windows would have to be skipped before they have come.
    throw std::invalid_argument("frame_length_ms: a stream needs at least frame_shift_ms (" +
                                std::to_string(config_.frame_shift_ms) + "), got " +
                                std::to_string(config_.frame_length_ms));
  }
}

OnlineFeatures OnlineFrontend::Accept(OnlineFrontendState& state, c10::ArrayRef<float> samples,
                                      bool is_final, bool keep_wave) const {
  if (!AllFinite(samples)) {
    throw std::invalid_argument("samples: expected finite samples, got NaN or infinity");
  }
  const auto n_mels = static_cast<size_t>(config_.n_mels);
  // Everything happens on a copy, a few KiB; `state` is replaced once nothing can fail any more.
  OnlineFrontendState next = state;
  OnlineFeatures features;

  next.pending.insert(next.pending.end(), samples.begin(), samples.end());
  if (keep_wave) next.wave.insert(next.wave.end(), samples.begin(), samples.end());

  const auto available = static_cast<int64_t>(next.pending.size());
  const int64_t fresh = available < window_size() ? 0 : fbank_.NumFrames(available);
  if (fresh > 0) {
    std::vector<float> frames(static_cast<size_t>(fresh) * n_mels);
    fbank_.ComputeOnCpu(next.pending, frames.data());
    next.pending.erase(next.pending.begin(), next.pending.begin() + fresh * window_shift());
    if (!next.has_splice) {
      next.has_splice = true;
      for (int64_t i = 0; i < lfr_.left_context(); ++i) {
        next.splice.insert(next.splice.end(), frames.begin(), frames.begin() + n_mels);
      }
    }
    next.splice.insert(next.splice.end(), frames.begin(), frames.end());
  }

  const auto count = static_cast<int64_t>(next.splice.size() / n_mels);
  // Without new frames only the end of the stream can complete a row.
  LfrStep step;
  if (lfr_.Identity()) {
    step.rows = step.consumed = count;
  } else if (count > 0 && (is_final || (fresh > 0 && count >= lfr_.m))) {
    step = PlanLfrStep(count, is_final, lfr_);
  }

  features.values = at::empty({step.rows, FeatureSize()}, at::kFloat);
  float* out = features.values.data_ptr<float>();
  for (int64_t row = 0; row < step.rows; ++row) {
    for (int64_t place = 0; place < lfr_.m; ++place, out += n_mels) {
      const int64_t frame = std::min(row * lfr_.n + place, count - 1);
      std::memcpy(out, next.splice.data() + frame * n_mels, n_mels * sizeof(float));
    }
  }
  if (step.rows > 0) cmvn_.Apply(features.values);
  next.splice.erase(next.splice.begin(), next.splice.begin() + step.consumed * n_mels);
  if (keep_wave && step.rows > 0) features.wave = TakeWave(next, step.rows);
  state = is_final ? OnlineFrontendState{} : std::move(next);
  return features;
}

std::vector<float> OnlineFrontend::TakeWave(OnlineFrontendState& state, int64_t count) const {
  const int64_t row_shift = lfr_.n * window_shift();
  const int64_t begin = state.rows * row_shift - state.wave_start;
  const int64_t end = begin + (count - 1) * row_shift + window_size();
  const auto held = static_cast<int64_t>(state.wave.size());
  if (begin < 0 || end > held) {
    throw std::invalid_argument(
        "keep_wave: expected the same value for all pieces of a stream; the next rows need "
        "samples " +
        std::to_string(begin + state.wave_start) + " to " + std::to_string(end + state.wave_start) +
        ", got " + std::to_string(state.wave_start) + " to " +
        std::to_string(held + state.wave_start));
  }
  std::vector<float> wave(state.wave.begin() + begin, state.wave.begin() + end);
  state.rows += count;
  const int64_t drop = std::min(state.rows * row_shift - state.wave_start, held);
  state.wave.erase(state.wave.begin(), state.wave.begin() + drop);
  state.wave_start += drop;
  return wave;
}

}  // namespace safeasr::asr
