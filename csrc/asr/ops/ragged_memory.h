// safeasr::ragged_memory: the FSMN memory block on rows of many streams, one below the other.
// Source: Zhang et al., 2018 (https://arxiv.org/abs/1803.05030); FunASR's forward_fsmn and
// MultiHeadedAttentionSANMDecoder.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace safeasr::asr {

// For each stream by itself
//   y[t, c] = sum_k taps[k, c] * x[t + k - left, c] + x[t, c] + residual[t, c]
// with x = 0 outside the stream.
//
// x: (rows, size); taps: (kernel, size); offsets: (streams + 1) int64 on the CPU, the first row of
// each stream and the end of the last; rows behind it are padding: zeros come out. residual: like
// x, or nothing. bfloat16 and float16 rows are widened first, and taps, residual and the result are
// float32. Returns (rows, size).
//
// As a convolution on channels first this takes two transpositions, a padded copy and two sums, all
// of which cost more than the arithmetic. On the CPU it is one pass.
//
// past and next: empty, then a stream's rows begin after nothing and end before nothing. Or one
// tensor (layers, kernel - 1, size) a stream: then left must be kernel - 1 (the memory sees only
// the past), past[i][layer] are the rows before this stream's, and next[i][layer] receives what
// will be the rows before the next ones. past and next must not share memory. Or one tensor
// (layers, streams * (kernel - 1), size) for all streams, one below the other: what a device can
// read at once.
at::Tensor RaggedMemory(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                        const at::Tensor& offsets, const std::optional<at::Tensor>& residual,
                        at::TensorList past, at::TensorList next, std::int64_t layer);

}  // namespace safeasr::asr
