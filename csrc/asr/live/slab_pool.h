// Rows of many live streams in few tensors, so that a step reads and writes those of all its
// streams in one launch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace safeasr::asr {

class SlabPool;

// Rows of a slab that belong to one stream, as long as anybody holds them.
class Slot {
 public:
  Slot(std::shared_ptr<SlabPool> pool, std::size_t slab, at::Tensor rows, std::int64_t first,
       std::int64_t capacity);
  // Gives the rows back when what this thread queued on them has run.
  ~Slot();
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // The stream's rows, (..., capacity, size), a view.
  at::Tensor Rows() const;
  // As many rows of the same pool, with what is in these.
  std::shared_ptr<const Slot> Copy() const;

  const at::Tensor slab;               // (..., rows, size)
  const std::int64_t first, capacity;  // the stream's rows, in the dimension before the last

 private:
  const std::shared_ptr<SlabPool> pool_;
  const std::size_t number_;  // of the slab in the pool
};

// Slabs are never moved and never freed before the pool: when all slots of a capacity are taken,
// there comes another slab as large as all before, or smaller if the memory has no room for that.
// So nobody's rows are copied when others come, and a step reads from few slabs: the logarithm of
// the streams, more only where memory was short.
//
// Workers run on streams (of the device) of their own, and a live stream goes from one to the
// other, as its slot does when it ends. Nothing here orders them. It need not: after each run of a
// batch, well or badly, the engine waits until all that the worker queued is done
// (WorkerContext::Finish), before anybody else can take up the live stream. What the next one reads
// was written, and what is given back nobody reads any more. Two steps at a time write to the same
// slab, but to rows of their own.
class SlabPool : public std::enable_shared_from_this<SlabPool> {
 public:
  // Slabs are (front..., rows, size). first_slots: of the first slab of a capacity.
  SlabPool(std::vector<std::int64_t> front, std::int64_t size, at::ScalarType type,
           std::int64_t first_slots = 32);

  // Rows for one stream; what is in them is left from another. The last row of every slab is zeros
  // and nobody's, and the kSpareRows before it are for graphs to write what nobody wants. Safe from
  // any thread.
  std::shared_ptr<const Slot> Take(std::int64_t capacity, at::Device device);

  // The slabs whose slots have so many rows, oldest first.
  std::vector<at::Tensor> Slabs(std::int64_t capacity, at::Device device) const;

  // Slots that are taken, and rows of all slabs; for tests.
  struct Usage {
    std::int64_t slabs, slots, taken;
  };
  Usage usage() const;

 private:
  friend class Slot;
  struct Slab {
    at::Device device;
    std::int64_t capacity, slots;
    at::Tensor rows;
    std::vector<std::int64_t> free;  // first rows; the last is taken next
  };
  void GiveBack(std::size_t slab, std::int64_t first) noexcept;
  std::size_t Grow(std::int64_t capacity, at::Device device);
  std::int64_t& MostSlots(at::Device device);
  Slab MakeSlab(std::int64_t capacity, std::int64_t slots, at::Device device) const;

  const std::vector<std::int64_t> front_;
  const std::int64_t size_;
  const at::ScalarType type_;
  const std::int64_t first_slots_;
  mutable std::mutex mutex_;
  std::vector<Slab> slabs_;
  // Of a device's next slab, where that is bounded: what did not fit is not tried again and again,
  // as each time the allocator gives back all that it keeps for others.
  std::vector<std::pair<at::Device, std::int64_t>> most_slots_;
};

}  // namespace safeasr::asr
