// safeasr::grouped_conv: a convolution over rows in groups of channels.
#pragma once

#include <ATen/core/Tensor.h>

namespace safeasr::asr {

// Rows x (rows, size) float32 as torch's conv1d has them of (1, size, rows), with zeros before the
// first row and behind the last: as many rows come out. weight: (groups, kernel, size / groups,
// size / groups), channels in before channels out; bias: (size). An even kernel sees a row more
// before than behind.
//
// All rows stand one below the other, whosever they are: where (kernel - 1) rows of zeros lie
// between two parts, neither sees the other. A row's numbers are then the same bits in any company,
// on the CPU with groups of a multiple of 16 channels.
at::Tensor GroupedConv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace safeasr::asr
