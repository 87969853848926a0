// LayerNorm of rows, alone or of a sum of two, in one pass over memory.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// Rows without gaps. `narrow` pointers are to bfloat16, the others to float.
struct NormRows {
  const float* x;
  const void* update;  // added first; null: nothing
  bool update_narrow;
  float* sum;  // where x + update goes; unused without an update
  const float *weight, *bias;
  float epsilon;
  void* out;
  bool out_narrow;
  std::int64_t rows, size;
};

// As NormRows, for rows in bfloat16 that nothing is added to.
struct NarrowNormRows {
  const void* x;
  const float *weight, *bias;
  float epsilon;
  void* out;
  bool out_narrow;
  std::int64_t rows, size;
};

// Each row's numbers depend on that row alone. lanes: of SimdLanes().
void NormalizeRows(const NormRows& rows, int lanes);
void NormalizeRows(const NarrowNormRows& rows, int lanes);

}  // namespace safeasr::kernels
