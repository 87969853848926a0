// What is made up where nothing is computed (Idle(), control.h).
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>

namespace fake_cuda {

// Instead of what a device would have computed: weights that fire four tokens a second, and a
// token.
void MakeUp(const at::Tensor& on_host);

// A tensor as a convolution in one dimension would give it, of the arguments of aten::convolution.
at::Tensor LikeConvolved(const torch::jit::Stack& given);

// A tensor as a Fourier transform of real rows would give it, of the arguments of aten::_fft_r2c.
at::Tensor LikeTransformed(const torch::jit::Stack& given);

}  // namespace fake_cuda
