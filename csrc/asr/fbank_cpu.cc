// The CPU kernel of Fbank: frames in blocks that stay in the cache, plain loops around the FFT.
//
// The loops keep Kaldi's order of summation. That matters for a wave that is constant within a
// frame: what is left after removing the mean is the rounding of that mean, and its logarithm is
// as visible as any other.
#include <ATen/ATen.h>
#include <ATen/ops/_fft_r2c.h>

#include <algorithm>
#include <limits>
#include <random>

#include "asr/fbank.h"

namespace safeasr::asr {
namespace {

constexpr int64_t kBlock = 64;  // frames per FFT call: 128 KiB in, 128 KiB out at 512 points
constexpr int64_t kLanes = 8;   // independent sums that hide the latency of one addition

// Means of up to kLanes frames of `size` samples, each summed from the first sample to the last.
void FrameMeans(const float* const* frames, int64_t count, int64_t size, float* means) {
  const float* source[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) source[lane] = frames[std::min(lane, count - 1)];
  float sums[kLanes] = {};
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += source[lane][i];
  }
  for (int64_t lane = 0; lane < count; ++lane) means[lane] = sums[lane] / static_cast<float>(size);
}

// Takes the mean off, pre-emphasises and tapers one frame.
void ShapeFrame(const float* __restrict source, float mean, float preemphasis,
                const float* __restrict window, int64_t size, float* __restrict out) {
  const float first = source[0] - mean;
  out[0] = (first - preemphasis * first) * window[0];
  for (int64_t i = 1; i < size; ++i) {
    out[i] = ((source[i] - mean) - preemphasis * (source[i - 1] - mean)) * window[i];
  }
}

void PowerSpectrum(const float* __restrict spectrum, int64_t bins, float* __restrict power) {
  for (int64_t k = 0; k < bins; ++k) {
    power[k] = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
  }
}

void MelEnergies(const float* __restrict power, const MelBank& bank, float* __restrict row) {
  const int64_t n_mels = bank.n_mels();
  for (int64_t mel = 0; mel < n_mels; ++mel) {
    const float* bins = power + bank.first_bin[mel];
    const float* weights = bank.weights.data() + bank.weight_offset[mel];
    const int64_t count = bank.weight_offset[mel + 1] - bank.weight_offset[mel];
    float energy = 0;
    for (int64_t k = 0; k < count; ++k) energy += weights[k] * bins[k];
    row[mel] = std::max(energy, std::numeric_limits<float>::epsilon());
  }
}

// Copies a window that leaves the wave at either end; there the wave is mirrored, its end sample
// repeated: -1 reads sample 0, -2 reads sample 1.
void CopyMirrored(c10::ArrayRef<float> wave, int64_t start, int64_t size, float* out) {
  const int64_t length = static_cast<int64_t>(wave.size());
  for (int64_t i = 0; i < size; ++i) {
    int64_t at = start + i;
    while (at < 0 || at >= length) at = at < 0 ? -at - 1 : 2 * length - 1 - at;
    out[i] = wave[static_cast<size_t>(at)];
  }
}

}  // namespace

void Fbank::ComputeOnCpu(c10::ArrayRef<float> wave, float* rows, uint64_t dither_seed) const {
  const int64_t length = static_cast<int64_t>(wave.size());
  const Plan plan = PlanFor(length);
  if (plan.frames == 0) return;

  std::vector<float> own_window;
  if (plan.window_size != window_size_) {
    own_window = MakeWindow(options_.window, plan.window_size);
    for (float& w : own_window) w *= options_.scale;
  }
  const float* window = own_window.empty() ? window_.data() : own_window.data();

  const bool dithered = options_.dither > 0;
  std::mt19937_64 generator(dither_seed);
  std::normal_distribution<float> noise(0.0f, static_cast<float>(options_.dither) / options_.scale);
  // A frame that can be read where it lies is not copied; one that is mirrored or dithered is.
  std::vector<float> copies;
  if (dithered || !options_.snip_edges) copies.resize(kLanes * plan.window_size);

  const int64_t fft_size = plan.bank->fft_size;
  const int64_t bins = fft_size / 2 + 1;
  const int64_t block = std::min(kBlock, plan.frames);
  // The tail of each row beyond the window stays zero from here on.
  const at::Tensor shaped = at::zeros({block, fft_size}, at::kFloat);
  float* shaped_data = shaped.data_ptr<float>();
  std::vector<float> power(static_cast<size_t>(bins));

  for (int64_t begin = 0; begin < plan.frames; begin += block) {
    const int64_t count = std::min(block, plan.frames - begin);
    for (int64_t lane0 = 0; lane0 < count; lane0 += kLanes) {
      const int64_t lanes = std::min(kLanes, count - lane0);
      const float* sources[kLanes];
      float means[kLanes];
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t start = FrameStart(begin + lane0 + lane, plan.window_size);
        const bool inside = start >= 0 && start + plan.window_size <= length;
        sources[lane] = wave.data() + (inside ? start : 0);
        if (inside && !dithered) continue;
        float* copy = copies.data() + lane * plan.window_size;
        CopyMirrored(wave, start, plan.window_size, copy);
        for (int64_t i = 0; dithered && i < plan.window_size; ++i) copy[i] += noise(generator);
        sources[lane] = copy;
      }
      FrameMeans(sources, lanes, plan.window_size, means);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        ShapeFrame(sources[lane], means[lane], options_.preemphasis, window, plan.window_size,
                   shaped_data + (lane0 + lane) * fft_size);
      }
    }
    const at::Tensor spectrum =
        at::_fft_r2c(count == block ? shaped : shaped.narrow(0, 0, count), {1}, 0, true);
    const auto* complex = static_cast<const float*>(spectrum.data_ptr());
    for (int64_t frame = 0; frame < count; ++frame) {
      PowerSpectrum(complex + frame * 2 * bins, bins, power.data());
      MelEnergies(power.data(), *plan.bank, rows + (begin + frame) * n_mels());
    }
  }
  at::Tensor result = at::from_blob(rows, {plan.frames, n_mels()}, at::kFloat);
  result.log_();
}

}  // namespace safeasr::asr
