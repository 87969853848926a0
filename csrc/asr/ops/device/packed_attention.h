// Attention by torch's kernels for rows of several lengths without padding, where a device has
// them and they prove right.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace safeasr::asr {

struct PackedRows {
  at::Tensor q, k, v;               // (rows, heads, depth), the streams' one below the other
  at::Tensor query_ends, key_ends;  // (streams + 1) int32 on the device, from 0
  std::int64_t longest_query, longest_key;
};

// Calls an operator such as aten::_flash_attention_forward or aten::_efficient_attention_forward.
// Both are torch's own affair and their arguments change; so they are looked up when asked for, and
// given what they call by the names that are known here. Throws when there is no such operator or
// it wants something else. Returns (queries, heads, depth).
at::Tensor AttendPacked(const PackedRows& rows, const std::string& name);

// The operator for a device and a type, or "" where there is none.
std::string PackedWay(at::Device device, at::ScalarType type);

// Whether the fast way gives what the sure one gives, to `tolerance` at its worst number. No, with
// a warning that names it, if it throws.
bool Agrees(const std::string& name, const std::function<at::Tensor()>& fast,
            const std::function<at::Tensor()>& sure, double tolerance);

// Whether `name` is as good as the padded way on this device, for this type and shape: tried out
// once in the process on a small example, then remembered.
bool PackedWayIsGood(const std::string& name, at::Device device, at::ScalarType type,
                     std::int64_t heads, std::int64_t depth);

}  // namespace safeasr::asr
