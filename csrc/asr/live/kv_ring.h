// KvRing: the keys and values that a live stream attends to beyond its chunk.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/live/slab_pool.h"

namespace safeasr::asr {

// Rows of all layers, of which `count` from `start` on are valid, in a ring: a tensor of its own,
// (layers, 2, capacity, size), or a slot of a slab. A plain value that shares the rows when copied:
// what a step writes lies outside the valid rows, so the copy made before the step still holds what
// it held.
struct KvRing {
  at::Tensor rows;                   // its own tensor, or the slab
  std::shared_ptr<const Slot> slot;  // in the slab
  std::int64_t start = 0, count = 0;

  std::int64_t first() const { return slot ? slot->first : 0; }
  std::int64_t capacity() const {
    return slot ? slot->capacity : rows.defined() ? rows.size(2) : 0;
  }

  // Makes room for `append` more rows. `expected`: rows that the ring will hold in the long run.
  void Reserve(std::int64_t append, std::int64_t expected, std::int64_t layers, std::int64_t size,
               const at::TensorOptions& options);
  // The same in a slab. For rings that stay within a window: others would leave slabs of every
  // size behind.
  void Reserve(std::int64_t append, std::int64_t expected, SlabPool& pool, at::Device device);

  // Takes in `append` rows that were written behind the valid ones, and keeps the last `window` of
  // all (negative: keeps all).
  void Advance(std::int64_t append, std::int64_t window);

  // Gives this copy rows of its own.
  void Detach();

 private:
  // The valid rows in order to the beginning of another ring (layers, 2, capacity, size).
  void MoveTo(const at::Tensor& ring);
};

// The rings of a batch as the operators take them.
class RingList {
 public:
  // in_slabs: rings of several streams may lie in one tensor, which is handed over once.
  explicit RingList(bool in_slabs) : in_slabs_(in_slabs) {}
  // All slabs that there are for such rings, whichever of them the batch is in.
  explicit RingList(std::vector<at::Tensor> slabs) : in_slabs_(true), caches_(std::move(slabs)) {}

  // append: rows that the step writes.
  void Add(const KvRing& ring, std::int64_t append);
  // A stream that is not there.
  void AddNobody();

  const std::vector<at::Tensor>& caches() const { return caches_; }
  at::Tensor Spans() const;

 private:
  const bool in_slabs_;
  std::vector<at::Tensor> caches_;
  std::vector<std::int64_t> spans_;
};

}  // namespace safeasr::asr
