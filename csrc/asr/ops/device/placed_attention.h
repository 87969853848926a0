// Attention whose scores fall with distance, by tensor operations.
#pragma once

#include <ATen/core/Tensor.h>

namespace safeasr::asr {

// Rows by head, as scaled_dot_product_attention takes them, and where they stand.
struct PlacedHeads {
  at::Tensor q, k, v;                   // (streams, heads, rows, depth)
  at::Tensor query_places, key_places;  // (streams, rows) float32, negative: nowhere
  at::Tensor slopes;                    // (heads) float32
  at::Tensor mask;                      // added to the scores too; undefined: none
};

// Distances are worked out for a part of the scores at a time, so that they need no more memory
// than half a gigabyte, however long the streams are. Returns what q is like.
at::Tensor AttendPlaced(const PlacedHeads& heads);

}  // namespace safeasr::asr
