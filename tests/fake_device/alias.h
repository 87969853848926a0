// CPU tensors over the memory of others, for kernels and copies to run on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "block.h"

namespace fake {

inline bool OnDevice(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().is_privateuseone();
}

// A CPU tensor of the same sizes over the same bytes. It owns nothing.
at::Tensor Alias(const at::Tensor& tensor);

// A tensor over a storage, shaped like another of the same type.
at::Tensor Over(c10::Storage storage, const at::Tensor& like, c10::DispatchKey key);

// The block of a device tensor; null for one without bytes.
Block* BlockOf(const at::Tensor& tensor);

// Notes that a stream's n-th operation uses a device tensor.
void Use(const at::Tensor& tensor, int stream, std::uint64_t n, bool write,
         const std::string& what);

// The same of some rows of a dimension.
void UseRows(const at::Tensor& tensor, std::int64_t dim, const std::vector<std::int64_t>& rows,
             int stream, std::uint64_t n, bool write, const std::string& what);

}  // namespace fake
