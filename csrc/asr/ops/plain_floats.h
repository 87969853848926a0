// What most kernels ask of a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/tensor_op_path.h"

namespace safeasr::asr {

// Float32 without gaps, where kernels of our own compute.
inline bool PlainFloats(const at::Tensor& t) {
  return !runtime::TakesTensorOpPath(t.device()) && t.scalar_type() == at::kFloat &&
         t.is_contiguous();
}

}  // namespace safeasr::asr
