// Gates of ragged rows, such that a row's numbers are the same bits in any company; why:
// row_ops.h.
#pragma once

#include <ATen/core/Tensor.h>

namespace safeasr::asr {

// safeasr::gate: x * sigmoid(by), both (rows, size) of one type, channels adjacent. With by = x it
// is swish. Computed in float32; the result has x's type and no gaps.
at::Tensor Gate(const at::Tensor& x, const at::Tensor& by);

}  // namespace safeasr::asr
