// safeasr::fsmn_memory: the FSMN memory block as one operator.
// Source: Zhang et al., 2018 (https://arxiv.org/abs/1803.05030); FunASR's forward_fsmn.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace safeasr::asr {

// y[b, t, c] = sum_k taps[k, c] * v[b, t + k - left, c] + v[b, t, c] + residual[b, t, c]
// with v = x * mask, and v = 0 outside the utterance.
//
// x: (batch, time, size); taps: (kernel, size); mask: (batch, time, 1), 0 for padding and 1
// otherwise, or nothing; residual: like x, or nothing. Returns (batch, time, size).
//
// As a convolution on channels first this takes two transpositions, a padded copy and two sums, all
// of which cost more than the arithmetic. float32 on the CPU runs in one pass; anything else runs
// the same thing by tensor operations.
at::Tensor FsmnMemory(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                      const std::optional<at::Tensor>& mask,
                      const std::optional<at::Tensor>& residual);

}  // namespace safeasr::asr
