// safeasr::int8_linear: a linear layer in 8 bit integers, on oneDNN's integer products.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace safeasr::asr {

// y = x weight^T + bias with dynamic quantisation: each row of x gets a scale and a zero point of
// its own, so that it gives the same numbers in any company. Sums are exact, in 32 bits.
//
// x: (rows, in) float32 or bfloat16. weight: (out, in) int8; scale: (out) float32, what a unit of
// each output's weights is worth. relu: negative results become zero. Returns (rows, out) bfloat16.
//
// By tensor operations in float32, for any device; programs on a CPU get Int8LinearPacked instead,
// when they are loaded (runtime/pack_linear.h).
at::Tensor Int8Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                      const std::optional<at::Tensor>& bias, bool relu);

// The same with a weight in oneDNN's layout, as onednn::qlinear_prepack makes it. sums: (out)
// float32, of each output's weights in their own units. no_zero_points: (out) int32 zeros.
at::Tensor Int8LinearPacked(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scale,
                            const at::Tensor& sums, const at::Tensor& no_zero_points,
                            const std::optional<at::Tensor>& bias, bool relu);

}  // namespace safeasr::asr
