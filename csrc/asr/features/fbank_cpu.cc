// Fbank on the CPU: which samples are a frame; the arithmetic is in fbank_kernel.cc.
#include <ATen/ATen.h>

#include <algorithm>
#include <random>

#include "asr/features/fbank.h"
#include "asr/features/mirrored.h"
#include "kernels/fbank_kernel.h"

namespace safeasr::asr {
void Fbank::ComputeOnCpu(c10::ArrayRef<float> wave, float* rows, uint64_t dither_seed) const {
  const int64_t length = static_cast<int64_t>(wave.size());
  const Plan plan = PlanFor(length);
  if (plan.frames == 0) return;

  std::vector<float> own_window;
  if (plan.window_size != window_size_) {
    own_window = kernels::MakeWindow(options_.window, plan.window_size);
    for (float& w : own_window) w *= options_.scale;
  }
  const float* window = own_window.empty() ? window_.data() : own_window.data();

  const bool dithered = options_.dither > 0;
  std::mt19937_64 generator(dither_seed);
  std::normal_distribution<float> noise(0.0f, static_cast<float>(options_.dither) / options_.scale);
  // A frame that can be read where it lies is not copied; one that is mirrored or dithered is.
  std::vector<float> copies;
  if (dithered || !options_.snip_edges) copies.resize(kernels::kFbankFrames * plan.window_size);

  const at::Tensor scratch = at::empty({kernels::FbankScratch(*plan.fft)}, at::kFloat);
  const float* sources[kernels::kFbankFrames];
  kernels::FbankFrames frames;
  frames.sources = sources;
  frames.window = window;
  frames.window_size = plan.window_size;
  frames.preemphasis = options_.preemphasis;
  frames.fft = plan.fft;
  frames.bank = plan.bank;
  frames.scratch = scratch.data_ptr<float>();
  for (int64_t begin = 0; begin < plan.frames; begin += kernels::kFbankFrames) {
    frames.count = std::min(kernels::kFbankFrames, plan.frames - begin);
    frames.rows = rows + begin * n_mels();
    for (int64_t i = 0; i < frames.count; ++i) {
      const int64_t start = FrameStart(begin + i, plan.window_size);
      const bool inside = start >= 0 && start + plan.window_size <= length;
      sources[i] = wave.data() + (inside ? start : 0);
      if (inside && !dithered) continue;
      float* copy = copies.data() + i * plan.window_size;
      CopyMirrored(wave, start, plan.window_size, copy);
      for (int64_t k = 0; dithered && k < plan.window_size; ++k) copy[k] += noise(generator);
      sources[i] = copy;
    }
    kernels::MelEnergies(frames);
  }
  at::Tensor result = at::from_blob(rows, {plan.frames, n_mels()}, at::kFloat);
  result.log_();
}

}  // namespace safeasr::asr
