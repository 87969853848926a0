// safeasr::ragged_lstm: a layer of an LSTM on rows of many sequences, one below the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace safeasr::asr {

// Each sequence by itself, forwards, or forwards and backwards, from a state of zeros; what
// torch.nn.LSTM gives for it.
//
// x: (rows, in) float32. w_ih: (directions, panels, in, 64) and w_hh: (directions, panels, size,
// 64), matrices of 4 * size outputs in panels (lstm_kernel.h); bias: (directions, 4 * size), both
// of torch's in one. offsets: (sequences + 1) int64 on the CPU, the first row of each sequence and
// the end of the last; rows behind it are padding: zeros come out. Returns (rows, directions *
// size).
//
// resumed: a sequence goes on where it was left. Its first two rows are no steps, but the state
// before them: hidden and cell, `size` numbers each, which is also the size of rows. In their place
// comes the state behind its last step. One direction, and a step at least.
//
// On the CPU a kernel takes all sequences step by step together (lstm_kernel.h), and a row's
// numbers are the same bits in any company. Elsewhere: device_lstm.h.
at::Tensor RaggedLstm(const at::Tensor& x, const at::Tensor& w_ih, const at::Tensor& w_hh,
                      const at::Tensor& bias, const at::Tensor& offsets, bool resumed);

}  // namespace safeasr::asr
