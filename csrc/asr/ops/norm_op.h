// safeasr::norm and safeasr::add_norm: LayerNorm between linear layers of reduced precision.
#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

namespace safeasr::asr {

// LayerNorm over the last dimension of x (rows, size), float32, bfloat16 or float16, computed in
// float32. narrow: the result is bfloat16, or float16 if half, else float32.
at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                double epsilon, bool narrow, bool half);

// x + update in float32, and its Norm. x: (rows, size) float32; update: likewise, or one of the
// others.
std::tuple<at::Tensor, at::Tensor> AddNorm(const at::Tensor& x, const at::Tensor& update,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           double epsilon, bool narrow, bool half);

}  // namespace safeasr::asr
