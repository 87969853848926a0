#include "asr/features/fbank.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace safeasr::asr {
namespace {

// Sample counts in Kaldi come out of single precision products, cut to an integer.
int64_t SamplesIn(double milliseconds, int64_t sample_rate) {
  return static_cast<int64_t>(static_cast<float>(sample_rate) * 0.001f *
                              static_cast<float>(milliseconds));
}

void Require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

}  // namespace

Fbank::Fbank(FbankOptions options) : options_(std::move(options)) {
  const FbankOptions& o = options_;
  Require(o.sample_rate > 0,
          "sample_rate: expected a positive number of Hz, got " + std::to_string(o.sample_rate));
  Require(o.n_mels >= 3, "n_mels: expected at least 3, got " + std::to_string(o.n_mels));
  const auto in_range = [](double ms) { return ms > 0 && ms < 60000.0; };  // NaN is not
  Require(
      in_range(o.frame_length_ms) && in_range(o.frame_shift_ms),
      "frame_length_ms and frame_shift_ms: expected more than none and less than a minute, got " +
          std::to_string(o.frame_length_ms) + " and " + std::to_string(o.frame_shift_ms));
  Require(std::isfinite(o.dither) && o.dither >= 0,
          "dither: expected zero or more, got " + std::to_string(o.dither));
  window_size_ = SamplesIn(o.frame_length_ms, o.sample_rate);
  window_shift_ = SamplesIn(o.frame_shift_ms, o.sample_rate);
  Require(window_size_ >= 2 && window_shift_ >= 1,
          "frame_length_ms and frame_shift_ms: expected at least 2 samples and 1 sample, got " +
              std::to_string(o.frame_length_ms) + " ms and " + std::to_string(o.frame_shift_ms) +
              " ms at " + std::to_string(o.sample_rate) + " Hz");
  const float nyquist = 0.5f * static_cast<float>(o.sample_rate);
  const float high = o.high_hz > 0 ? o.high_hz : nyquist + o.high_hz;
  Require(o.low_hz >= 0 && o.low_hz < high && high <= nyquist,
          "low_hz and high_hz: expected 0 <= low < high <= " + std::to_string(nyquist) + ", got " +
              std::to_string(o.low_hz) + " and " + std::to_string(high));

  window_ = kernels::MakeWindow(o.window, window_size_);
  for (float& w : window_) w *= o.scale;

  const int64_t full = kernels::NextPowerOfTwo(window_size_);
  for (int64_t size = 2; size <= full; size *= 2) {
    auto bank = kernels::MakeMelBank(o.sample_rate, o.n_mels, size, o.low_hz, high);
    if (!bank) continue;
    banks_.push_back(std::move(*bank));
    ffts_.emplace_back(size);
  }
  Require(!banks_.empty() && banks_.back().fft_size == full,
          "n_mels: " + std::to_string(o.n_mels) + " filters do not fit a transform of " +
              std::to_string(full) + " points at " + std::to_string(o.sample_rate) +
              " Hz, some would be empty; expected fewer filters or a longer window");
}

int64_t Fbank::WindowSizeFor(int64_t samples) const {
  const double own_ms =
      static_cast<double>(samples) / static_cast<double>(options_.sample_rate) * 1000.0;
  if (own_ms >= options_.frame_length_ms) return window_size_;
  const int64_t size = SamplesIn(own_ms, options_.sample_rate);
  return std::clamp<int64_t>(size, 1, samples);
}

int64_t Fbank::FrameStart(int64_t frame, int64_t window_size) const {
  const int64_t start = frame * window_shift_;
  return options_.snip_edges ? start : start + window_shift_ / 2 - window_size / 2;
}

int64_t Fbank::NumFrames(int64_t samples) const {
  if (samples <= 0) return 0;
  if (!options_.snip_edges) return (samples + window_shift_ / 2) / window_shift_;
  const int64_t window = WindowSizeFor(samples);
  return samples < window ? 0 : 1 + (samples - window) / window_shift_;
}

Fbank::Plan Fbank::PlanFor(int64_t samples) const {
  Plan plan;
  plan.frames = NumFrames(samples);
  if (plan.frames == 0) return plan;
  plan.window_size = WindowSizeFor(samples);
  // The smallest transform that holds the window and leaves no filter empty. For windows much
  // shorter than the full one, where FunASR fails because filters are empty, this is a longer,
  // zero-padded transform: the same spectrum, looked at in more places.
  const auto fits = [&](const kernels::MelBank& bank) { return bank.fft_size >= plan.window_size; };
  const auto found = std::find_if(banks_.begin(), banks_.end(), fits);
  plan.bank = &*found;
  plan.fft = &ffts_[static_cast<size_t>(found - banks_.begin())];
  return plan;
}

at::Tensor Fbank::Compute(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                          uint64_t dither_seed) const {
  if (!device.is_cpu() && options_.dither == 0) return ComputePortable(waves, device);
  int64_t total = 0;
  for (const auto& wave : waves) total += NumFrames(static_cast<int64_t>(wave.size()));
  at::Tensor rows = at::empty({total, n_mels()}, at::kFloat);
  float* next = rows.data_ptr<float>();
  for (const auto& wave : waves) {
    ComputeOnCpu(wave, next, dither_seed);
    next += NumFrames(static_cast<int64_t>(wave.size())) * n_mels();
  }
  return device.is_cpu() ? rows : rows.to(device);
}

}  // namespace safeasr::asr
