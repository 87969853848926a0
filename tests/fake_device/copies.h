// Copies between host and devices.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace fake {

// aten::_copy_from. Between host and device, non_blocking copies are queued, and their target is
// poisoned at once, unless other queued work needs what is in it. From pageable memory they take
// what they send when they are asked; to pageable memory they are as late as others.
at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool non_blocking);

// aten::_local_scalar_dense: `.item()`, which waits for the stream.
c10::Scalar ReadScalar(const at::Tensor& tensor);

}  // namespace fake
