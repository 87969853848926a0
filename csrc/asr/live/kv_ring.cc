#include "asr/live/kv_ring.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "asr/ragged_batch.h"

namespace safeasr::asr {
namespace {

// Slots come in multiples of so many rows, so that streams with other windows share slabs.
constexpr std::int64_t kSlotStep = 32;

}  // namespace

void KvRing::Reserve(std::int64_t append, std::int64_t expected, std::int64_t layers,
                     std::int64_t size, const at::TensorOptions& options) {
  const std::int64_t needed = count + append;
  if (rows.defined() && needed <= capacity()) return;
  // Rings that only grow do so by half, so that the copying stays in proportion.
  const std::int64_t larger_size = std::max({needed, expected, capacity() + capacity() / 2});
  const at::Tensor larger = at::empty({layers, 2, needed == 0 ? 0 : larger_size, size}, options);
  MoveTo(larger);
  rows = larger;
}

void KvRing::Reserve(std::int64_t append, std::int64_t expected, SlabPool& pool,
                     at::Device device) {
  const std::int64_t needed = count + append;
  if (needed <= capacity()) return;
  auto larger = pool.Take(Padded(std::max(needed, expected), kSlotStep), device);
  MoveTo(larger->Rows());
  rows = larger->slab;
  slot = std::move(larger);
}

void KvRing::MoveTo(const at::Tensor& ring) {
  if (count > 0) {
    const std::int64_t until_end = std::min(count, capacity() - start);
    ring.narrow(2, 0, until_end).copy_(rows.narrow(2, first() + start, until_end));
    if (until_end < count) {
      ring.narrow(2, until_end, count - until_end)
          .copy_(rows.narrow(2, first(), count - until_end));
    }
  }
  start = 0;
}

void KvRing::Advance(std::int64_t append, std::int64_t window) {
  count += append;
  if (window < 0 || count <= window) return;
  start = (start + count - window) % capacity();
  count = window;
}

void KvRing::Detach() {
  if (slot) {
    slot = slot->Copy();
    rows = slot->slab;
  } else if (rows.defined()) {
    rows = rows.clone();
  }
}

void RingList::Add(const KvRing& ring, std::int64_t append) {
  spans_.insert(spans_.end(), {ring.start, ring.count, append});
  if (!in_slabs_) {
    caches_.push_back(ring.rows);
    return;
  }
  std::int64_t cache = -1;
  if (ring.capacity() > 0) {
    const auto same = [&](const at::Tensor& known) { return known.is_same(ring.rows); };
    const auto found = std::find_if(caches_.begin(), caches_.end(), same);
    cache = found - caches_.begin();
    if (found == caches_.end()) caches_.push_back(ring.rows);
  }
  spans_.insert(spans_.end(), {cache, ring.first(), ring.capacity()});
}

void RingList::AddNobody() { spans_.insert(spans_.end(), {0, 0, 0, -1, 0, 0}); }

at::Tensor RingList::Spans() const { return Numbers(spans_).view({-1, in_slabs_ ? 6 : 3}); }

}  // namespace safeasr::asr
