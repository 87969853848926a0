// From samples to mel energies on the CPU: as many frames at a time as a vector has lanes, one
// frame a lane, so that nothing ever moves between lanes. Without torch.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/fbank_tables.h"
#include "kernels/simd.h"

namespace safeasr::kernels {

// Tables of a real Fourier transform of `size` points, a power of two >= 2: a complex one of half
// the size in steps of radix 4 (one of radix 2 where the power is odd), in place.
struct RealFft {
  explicit RealFft(std::int64_t points);

  struct Step {
    std::int64_t radix, size;  // of the transforms that this step splits
    std::int64_t first;        // of its twiddles
  };

  std::int64_t size;
  std::vector<Step> steps;
  std::vector<float> twiddles;      // (cos, -sin) of what each step multiplies with
  std::vector<std::int32_t> place;  // (size / 2) where the result number k ends up
  std::vector<float> halves;        // (size / 4 + 1, 2) (cos, -sin) of 2 pi k / size
};

struct FbankFrames {
  const float* const* sources;  // (count) first sample of each frame's window
  std::int64_t count;           // 1 to kFbankFrames
  const float* window;          // (window_size)
  std::int64_t window_size;     // at most fft->size
  float preemphasis;
  const RealFft* fft;
  const MelBank* bank;  // of the same size
  float* scratch;       // FbankScratch(*fft) floats
  float* rows;          // (count, n_mels) energies, at least epsilon
};

constexpr std::int64_t kFbankFrames = 16;

std::int64_t FbankScratch(const RealFft& fft);

// Takes the mean off each frame, pre-emphasises, tapers, transforms, filters. A frame's energies
// are the same bits whatever the other frames are. lanes: 16, 8 or 4, no more than SimdLanes().
void MelEnergies(const FbankFrames& frames, int lanes = SimdLanes());

}  // namespace safeasr::kernels
