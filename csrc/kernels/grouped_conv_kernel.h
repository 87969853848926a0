// A convolution over rows whose channels come in groups that do not see each other.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// One of the groups. Channels of a row are adjacent; rows are `size` numbers apart.
struct GroupedConvArgs {
  const float* x;  // (rows, size), at the group's first channel
  std::int64_t rows, size;
  std::int64_t channels;       // of the group, in and out; a multiple of 16
  std::int64_t left, kernel;   // rows that are seen before a row, and in all
  const float *weight, *bias;  // (kernel, channels in, channels out) and (channels out)
  float* y;                    // as x
  float* scratch;              // (rows + kernel - 1, channels)
};

// y[t] = bias + sum_k x[t - left + k] . weight[k], with zeros before the first row and behind the
// last. A row's sums run in the same order wherever it stands. lanes: of SimdLanes().
void ConvolveGroup(const GroupedConvArgs& args, int lanes);

}  // namespace safeasr::kernels
