// Gates of rows by a sigmoid. A number's result is the same bits wherever it
// stands.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

struct GateRows {
  const float* x;
  std::int64_t x_stride;  // from row to row, in numbers
  const float* by;        // what the gate is made of
  std::int64_t by_stride;
  float* out;  // rows without gaps
  std::int64_t rows, size;
};

// out = x / (1 + exp(-by)). With by = x it is swish, with halves of a row a gated linear unit.
// lanes: of SimdLanes().
void Gate(const GateRows& rows, int lanes);

}  // namespace safeasr::kernels
