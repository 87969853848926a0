// The FSMN memory of a ragged batch by tensor operations, on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

// Arguments as in ragged_memory.h, checked.
struct DeviceMemory {
  const at::Tensor &x, &taps;
  std::int64_t left;
  const at::Tensor& offsets;   // checked; the place is read again while a graph is made
  const at::Tensor& residual;  // may be undefined
  at::TensorList past, next;
  std::int64_t layer;
};

// A few launches, however many streams there are, as long as their past comes in one tensor.
at::Tensor RememberOnDevice(const DeviceMemory& call);

}  // namespace safeasr::asr
