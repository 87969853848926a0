// Attention of a ragged batch by tensor operations, on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "asr/ops/device/attention_plan.h"

namespace safeasr::asr {

struct DeviceAttention {
  const at::Tensor &q, &k, &v;  // as in ragged_attention.h
  std::int64_t heads, layer;
  at::TensorList caches;
  const std::vector<AttentionStream>& streams;
  // While a graph is made: the streams as the host's inputs have them at the moment.
  std::function<std::vector<AttentionStream>()> reread{};
  // Of AlibiAttention, which knows no packed way: (rows) and (heads); undefined: none.
  at::Tensor places{}, slopes{};
};

// A few launches, however many streams there are: their number grows with the number of caches, and
// with the logarithm of the longest stream over the shortest. packed_way: an operator for
// AttendPacked, or "" for the padded way.
at::Tensor AttendOnDevice(const DeviceAttention& call, const std::string& packed_way);

// With the way that the device is best at, if that proved right.
at::Tensor AttendOnDevice(const DeviceAttention& call);

}  // namespace safeasr::asr
