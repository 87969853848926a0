// Attention of one head on plain floats.
#pragma once

#include <cstdint>

namespace safeasr::asr {

// The queries of one head and where their answers go. Strides in floats; a head's channels are
// adjacent. keys and values point to the rows, in order. scratch: AttentionScratch() floats.
struct HeadAttention {
  const float* q;
  std::int64_t q_stride;
  float* out;
  std::int64_t out_stride;
  std::int64_t queries;
  const float* const* keys;
  const float* const* values;
  std::int64_t keys_count;
  std::int64_t depth;
  float scale;
  float* scratch;
};

std::int64_t AttentionScratch(std::int64_t keys_count, std::int64_t depth);

// out[i] = softmax(scale * q[i] . keys) . values; zeros without keys. lanes: of SimdLanes().
void AttendHead(const HeadAttention& head, int lanes);

}  // namespace safeasr::asr
