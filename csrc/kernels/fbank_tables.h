// Constant tables of a Kaldi-compatible filterbank: analysis windows and triangular mel filters.
//
// Source: Kaldi's feature extraction (Povey et al., "The Kaldi Speech Recognition Toolkit", 2011),
// whose formulas are followed in single precision, as they are there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace safeasr::kernels {

// Coefficients of an analysis window of `size` >= 1 samples. `type` is one of "hamming", "hanning",
// "hann" (periodic), "povey", "sine", "rectangular" and "blackman".
// Throws std::invalid_argument for another name or size.
std::vector<float> MakeWindow(const std::string& type, int64_t size);

// Triangular filters, equally spaced on the mel scale, over the bins of a power spectrum.
//
// Only the weights between the two feet of a triangle are kept: a filter touches a handful of the
// bins, so a sparse product costs a tenth of a dense one and does not depend on a BLAS.
struct MelBank {
  int64_t fft_size = 0;  // points of the transform; its power spectrum has fft_size / 2 + 1 bins
  std::vector<int32_t> first_bin;      // (n_mels) lowest bin with a weight
  std::vector<int32_t> weight_offset;  // (n_mels + 1) where a filter's weights start in `weights`
  std::vector<float> weights;

  int64_t n_mels() const { return static_cast<int64_t>(first_bin.size()); }
  // The same filters as a dense, row-major (fft_size / 2 + 1, n_mels) matrix.
  std::vector<float> Dense() const;
};

// Filters from `low_hz` to `high_hz` for a transform of `fft_size` points. Nothing when some filter
// would fall between two bins and be empty: the transform is too short for that many filters.
std::optional<MelBank> MakeMelBank(int64_t sample_rate, int64_t n_mels, int64_t fft_size,
                                   float low_hz, float high_hz);

// Smallest power of two that is >= n; n >= 1.
int64_t NextPowerOfTwo(int64_t n);

}  // namespace safeasr::kernels
