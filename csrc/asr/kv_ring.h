// KvRing: the keys and values that a live stream attends to beyond its chunk.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace safeasr::asr {

// Rows of all layers, (layers, 2, capacity, size), of which `count` from `start` on are valid, in a
// ring. A plain value that shares the tensor when copied: what a step writes lies outside the
// valid rows, so the copy made before the step still holds what it held.
struct KvRing {
  at::Tensor rows;
  std::int64_t start = 0, count = 0;

  // Makes room for `append` more rows. `expected`: rows that the ring will hold in the long run.
  void Reserve(std::int64_t append, std::int64_t expected, std::int64_t layers, std::int64_t size,
               const at::TensorOptions& options);

  // Takes in `append` rows that were written behind the valid ones, and keeps the last `window` of
  // all (negative: keeps all).
  void Advance(std::int64_t append, std::int64_t window);

  // Gives this copy a tensor of its own.
  void Detach();
};

}  // namespace safeasr::asr
