// What a step of a live stream replaces as a whole, kept in slabs: read for all streams of a batch
// at once, and written so.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/live/slab_pool.h"

namespace safeasr::asr {

// Rows of one stream in a slot of twice as many: a step reads one half and writes the other. A
// plain value that shares the slot when copied. So the copy made before a step holds what it held,
// until a second step.
struct SlabRows {
  std::shared_ptr<const Slot> slot;
  int half = -1;  // which half holds the rows; -1: none yet, they are zeros

  std::int64_t count() const { return slot ? slot->capacity / 2 : 0; }
  // Takes room for `rows`, which may be none, the first time.
  void Reserve(SlabPool& pool, std::int64_t rows, at::Device device);
  // Gives this copy room of its own.
  void Detach();
};

// The rows of all, (..., sum of counts, size), one below the other.
at::Tensor ReadSlabRows(const std::vector<const SlabRows*>& streams);

// Into each stream's other half, which is its half then: `count` rows of `rows` from first[i] on.
// Reserved at least once.
void WriteSlabRows(const std::vector<SlabRows*>& streams, const at::Tensor& rows,
                   const std::vector<std::int64_t>& first);

}  // namespace safeasr::asr
