// Attention of one head on plain floats.
#pragma once

#include <cstdint>

namespace safeasr::asr {

// Queries of one head, and where their answers go. Strides in floats; a head's channels are adjacent.
struct HeadQueries {
  const float* q;
  std::int64_t q_stride;
  float* out;
  std::int64_t out_stride;
  std::int64_t count;
};

// out[i] = softmax(scale * q[i] . keys) . values. `keys` and `values` point to the rows, in order.
// Without keys, out is zero. scratch: at least keys + depth floats.
void AttendHead(const HeadQueries& queries, const float* const* keys, const float* const* values,
                std::int64_t keys_count, std::int64_t depth, float scale, float* scratch);

}  // namespace safeasr::asr
