// What attention takes off scores for distance (ALiBi).
#pragma once

#include <cstdint>

#include "kernels/attention_kernel.h"
#include "kernels/simd.h"

namespace safeasr::kernels {

// Takes off the scores of a query with all keys what their distances cost; does nothing where
// nobody has a place.
template <int kLanes, class T>
SAFEASR_INLINE void LowerByDistance(const HeadAttention<T>& head, std::int64_t query,
                                    float* scores) {
  using Floats = typename Simd<kLanes>::Floats;
  if (head.places == nullptr || head.places[query] < 0) return;
  const float here = head.places[query];
  std::int64_t j = 0;
  for (; j + kLanes <= head.keys_count; j += kLanes) {
    const Floats there = At<kLanes>(head.places + j), steps = there - here;
    const Floats distance = steps < 0 ? -steps : steps;
    At<kLanes>(scores + j) -= there < 0 ? Floats{} : distance * head.slope;
  }
  for (; j < head.keys_count; ++j) {
    const float there = head.places[j], steps = there - here;
    if (there >= 0) scores[j] -= (steps < 0 ? -steps : steps) * head.slope;
  }
}

}  // namespace safeasr::kernels
