// Attention of one head on plain numbers.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

namespace safeasr::kernels {

// The queries of one head and where their answers go; T is float or BFloat16. Strides in numbers; a
// head's channels are adjacent. keys and values point to the rows, in order. scratch:
// AttentionScratch() floats.
template <class T>
struct HeadAttention {
  const T* q;
  std::int64_t q_stride;
  T* out;
  std::int64_t out_stride;
  std::int64_t queries;
  const T* const* keys;
  const T* const* values;
  std::int64_t keys_count;
  std::int64_t depth;
  float scale;
  float* scratch;
  // Where the rows stand, if queries and keys are the same rows in the same order, else null: the
  // score of two of them is lowered by slope for each step that they are apart. Rows whose place is
  // negative stand nowhere, and are far from none.
  const float* places = nullptr;
  float slope = 0;
};

std::int64_t AttentionScratch(std::int64_t queries, std::int64_t keys_count, std::int64_t depth);

// out[i] = softmax(scale * q[i] . keys - slope * distances) . values, computed in float32; zeros
// without keys. lanes: of SimdLanes(). Few queries are done one by one, many in tiles; how many are
// few depends on the type and the processor.
void AttendHead(const HeadAttention<float>& head, int lanes);
void AttendHead(const HeadAttention<BFloat16>& head, int lanes);

}  // namespace safeasr::kernels
