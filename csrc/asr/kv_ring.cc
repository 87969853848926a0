#include "asr/kv_ring.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace safeasr::asr {

void KvRing::Reserve(std::int64_t append, std::int64_t expected, std::int64_t layers,
                     std::int64_t size, const at::TensorOptions& options) {
  const std::int64_t needed = count + append;
  const std::int64_t capacity = rows.defined() ? rows.size(2) : 0;
  if (rows.defined() && needed <= capacity) return;
  // Rings that only grow do so by half, so that the copying stays in proportion.
  const std::int64_t roomy = std::max({needed, expected, capacity + capacity / 2});
  const at::Tensor larger = at::empty({layers, 2, needed == 0 ? 0 : roomy, size}, options);
  if (count > 0) {
    const std::int64_t until_end = std::min(count, capacity - start);
    larger.narrow(2, 0, until_end).copy_(rows.narrow(2, start, until_end));
    if (until_end < count) {
      larger.narrow(2, until_end, count - until_end).copy_(rows.narrow(2, 0, count - until_end));
    }
  }
  rows = larger;
  start = 0;
}

void KvRing::Advance(std::int64_t append, std::int64_t window) {
  count += append;
  if (window < 0 || count <= window) return;
  start = (start + count - window) % rows.size(2);
  count = window;
}

void KvRing::Detach() {
  if (rows.defined()) rows = rows.clone();
}

}  // namespace safeasr::asr
