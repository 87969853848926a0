// Attention of one head of one utterance with relative positions, on plain numbers.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// How the position of a key relative to a query is scored.
enum class RelativeKind {
  // Query i scores key j by the encoding of i - j.
  kByDistance,
  // As the first Conformers were trained: query i scores key j <= i by row j - i, counted from the
  // end of the utterance's rows, key i + 1 not at all, and later keys as query i + 1 would score
  // rows counted from their beginning.
  kShifted,
};

// A head's channels are adjacent; strides in numbers. scratch: RelativeScratch() floats.
struct RelativeHead {
  const float *q, *k, *v;
  std::int64_t q_stride, k_stride, v_stride;
  // Encodings of positions: 2 * rows - 1 by distance, from rows - 1 down; `rows` when shifted.
  const float* p;
  std::int64_t p_stride;
  const float *content_bias, *position_bias;  // (depth), added to queries
  float* out;
  std::int64_t out_stride;
  std::int64_t rows, depth;
  float scale;
  RelativeKind kind;
  float* scratch;
};

std::int64_t RelativeScratch(std::int64_t rows, std::int64_t depth, RelativeKind kind);

// out[i] = softmax_j(scale * ((q[i] + content_bias) . k[j] + position(i, j))) . v
// lanes: of SimdLanes().
void AttendRelative(const RelativeHead& head, int lanes);

}  // namespace safeasr::kernels
