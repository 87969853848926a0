#include "asr/live/slab_pool.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/graph_lists.h"

namespace safeasr::asr {
namespace {

// Until everything that this thread queued on its stream has run.
void WaitForThisThread(at::Device device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

}  // namespace

Slot::Slot(std::shared_ptr<SlabPool> pool, std::size_t slab_number, at::Tensor rows,
           std::int64_t first_row, std::int64_t rows_of_slot)
    : slab(std::move(rows)),
      first(first_row),
      capacity(rows_of_slot),
      pool_(std::move(pool)),
      number_(slab_number) {}

Slot::~Slot() {
  try {
    // A step that fails lets go of what it took before it waits. Streams that end have waited:
    // then this costs nothing.
    WaitForThisThread(slab.device());
  } catch (...) {
    return;  // the device is gone, or out of order: nobody may have these rows
  }
  pool_->GiveBack(number_, first);
}

at::Tensor Slot::Rows() const { return slab.narrow(-2, first, capacity); }

std::shared_ptr<const Slot> Slot::Copy() const {
  auto copy = pool_->Take(capacity, slab.device());
  copy->Rows().copy_(Rows());
  return copy;
}

SlabPool::SlabPool(std::vector<std::int64_t> front, std::int64_t size, at::ScalarType type,
                   std::int64_t first_slots)
    : front_(std::move(front)), size_(size), type_(type), first_slots_(first_slots) {}

std::shared_ptr<const Slot> SlabPool::Take(std::int64_t capacity, at::Device device) {
  std::size_t number = 0;
  std::int64_t first = 0;
  at::Tensor rows;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto fits = [&](const Slab& slab) {
      return slab.capacity == capacity && slab.device == device && !slab.free.empty();
    };
    // The oldest that has room: streams stand close together.
    const auto found = std::find_if(slabs_.begin(), slabs_.end(), fits);
    number = found != slabs_.end() ? static_cast<std::size_t>(found - slabs_.begin())
                                   : Grow(capacity, device);
    first = slabs_[number].free.back();
    slabs_[number].free.pop_back();
    rows = slabs_[number].rows;
  }
  try {
    return std::make_shared<const Slot>(shared_from_this(), number, rows, first, capacity);
  } catch (...) {
    GiveBack(number, first);
    throw;
  }
}

std::size_t SlabPool::Grow(std::int64_t capacity, at::Device device) {
  std::int64_t slots = 0;
  for (const Slab& slab : slabs_) {
    if (slab.capacity == capacity && slab.device == device) slots += slab.slots;
  }
  std::int64_t& most_slots = MostSlots(device);
  slots = std::max(std::min(slots, most_slots), first_slots_);
  for (;;) {
    try {
      slabs_.push_back(MakeSlab(capacity, slots, device));
      break;
    } catch (const c10::Error&) {
      if (slots == first_slots_) throw;
      most_slots = slots = std::max(slots / 2, first_slots_);
    }
  }
  if (slots == most_slots) most_slots *= 2;  // perhaps others have ended when it is full
  return slabs_.size() - 1;
}

std::int64_t& SlabPool::MostSlots(at::Device device) {
  for (auto& [known, most] : most_slots_) {
    if (known == device) return most;
  }
  return most_slots_.emplace_back(device, std::numeric_limits<std::int64_t>::max() / 2).second;
}

SlabPool::Slab SlabPool::MakeSlab(std::int64_t capacity, std::int64_t slots,
                                  at::Device device) const {
  std::vector<std::int64_t> shape = front_;
  shape.insert(shape.end(), {slots * capacity + runtime::kSpareRows + 1, size_});
  // Whoever takes the first slot, it outlives the mode of this thread.
  const c10::InferenceMode inference_mode;
  Slab slab{device, capacity, slots, at::zeros(shape, at::TensorOptions(type_).device(device)), {}};
  // Room for all, so that giving back needs no memory.
  slab.free.reserve(static_cast<std::size_t>(slots));
  for (std::int64_t i = slots; i-- > 0;) slab.free.push_back(i * capacity);
  // The zeros were queued on this worker's stream, and the memory may have been in use there.
  WaitForThisThread(device);
  return slab;
}

void SlabPool::GiveBack(std::size_t slab, std::int64_t first) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  slabs_[slab].free.push_back(first);
}

std::vector<at::Tensor> SlabPool::Slabs(std::int64_t capacity, at::Device device) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<at::Tensor> found;
  for (const Slab& slab : slabs_) {
    if (slab.capacity == capacity && slab.device == device) found.push_back(slab.rows);
  }
  return found;
}

SlabPool::Usage SlabPool::usage() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Usage usage{static_cast<std::int64_t>(slabs_.size()), 0, 0};
  for (const Slab& slab : slabs_) {
    usage.slots += slab.slots;
    usage.taken += slab.slots - static_cast<std::int64_t>(slab.free.size());
  }
  return usage;
}

}  // namespace safeasr::asr
