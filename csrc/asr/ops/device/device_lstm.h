// An LSTM's layer on a ragged batch by tensor operations, on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/lstm_kernel.h"

namespace safeasr::asr {

// Arguments as in ragged_lstm.h, checked; sequences: the longest first, none empty. A few launches
// for each step of the longest sequence, however many sequences there are, and no waiting.
at::Tensor LstmOnDevice(const at::Tensor& x, const at::Tensor& w_ih, const at::Tensor& w_hh,
                        const at::Tensor& bias, const std::vector<kernels::LstmSequence>& sequences,
                        bool resumed);

}  // namespace safeasr::asr
