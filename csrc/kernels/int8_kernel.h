// Rows to 8 bit integers, and the products of integers back to numbers.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// Asymmetric quantisation of rows without gaps: x[c] is nearly (q[c] - zero_point) * scale, with a
// scale and a zero point of each row's own. x: float or, if narrow, bfloat16.
struct QuantizeRows {
  const void* x;
  bool narrow;
  std::int64_t rows, size;
  std::uint8_t* q;
  float* scales;       // (rows)
  float* zero_points;  // (rows), whole numbers from 0 to 255
};

// out[r, n] = scales[r] * (products[r, n] - zero_points[r] * sums[n]) + bias[n], with ReLU if asked
// for. products: sums over q times weights, in the weights' units; sums[n]: the weights' own.
struct DequantizeRows {
  const float* products;
  const float *scales, *zero_points, *sums, *bias;  // bias may be null
  bool relu;
  std::int64_t rows, size;
  void* out;  // bfloat16
};

// lanes: of SimdLanes().
void Quantize(const QuantizeRows& rows, int lanes);
void Dequantize(const DequantizeRows& rows, int lanes);

}  // namespace safeasr::kernels
