// The FSMN memory filter on plain floats: a depthwise convolution over time plus its input.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// One utterance, or one chunk of a stream. Row strides are in floats; channels are adjacent.
struct FsmnRows {
  const float* x;
  std::int64_t x_stride;
  const float* residual;  // or null
  std::int64_t residual_stride;
  float* out;  // (frames, size) without gaps
  std::int64_t frames, size;
};

// Rows begin to end - 1 of
//   out[t] = sum_k taps[k] * x[t + k - left] + x[t] + residual[t], with x = 0 outside the rows.
// taps: (kernel, size) without gaps.
void FilterFsmnRows(const FsmnRows& rows, const float* taps, std::int64_t kernel, std::int64_t left,
                    std::int64_t begin, std::int64_t end);

}  // namespace safeasr::kernels
