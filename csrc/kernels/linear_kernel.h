// A linear layer for a handful of rows or many, all on the calling thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/simd.h"

namespace safeasr::kernels {

// out[r, n] = sum_k x[r, k] * weight[k, n] + bias[n], with ReLU if asked for. Each sum runs from
// k = 0 on, so a row's result does not depend on the other rows.
struct LinearArgs {
  const float* x;  // (rows, in), rows x_stride apart
  std::int64_t x_stride, rows, in;
  const float* weight;  // (in, out)
  const float* bias;    // (out), or null
  std::int64_t out;     // a multiple of 16
  bool relu;
  float* y;  // (rows, out), rows y_stride apart
  std::int64_t y_stride;
};

// kRows rows of kVectors vectors of the result, in registers from the first sum to the last.
template <int kLanes, int kRows, int kVectors>
SAFEASR_INLINE void LinearTile(const LinearArgs& a, std::int64_t row, std::int64_t column) {
  using Floats = typename Simd<kLanes>::Floats;
  const float* x = a.x + row * a.x_stride;
  const float* weight = a.weight + column;
  Floats sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Floats{};
  }
  for (std::int64_t k = 0; k < a.in; ++k) {
    Floats w[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) w[v] = At<kLanes>(weight + k * a.out + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const float value = x[r * a.x_stride + k];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] += value * w[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Floats y = sum[r][v];
      if (a.bias != nullptr) y += At<kLanes>(a.bias + column + v * kLanes);
      if (a.relu) y = y > 0 ? y : Floats{};
      At<kLanes>(a.y + (row + r) * a.y_stride + column + v * kLanes) = y;
    }
  }
}

template <int kLanes, int kVectors>
SAFEASR_INLINE void LinearPanel(const LinearArgs& a, std::int64_t column) {
  constexpr int kRows = 6;  // with the widest panel 24 of 32 registers, or 12 of 16, hold sums
  std::int64_t row = 0;
  for (; row + kRows <= a.rows; row += kRows) LinearTile<kLanes, kRows, kVectors>(a, row, column);
  switch (a.rows - row) {
    case 5:
      return LinearTile<kLanes, 5, kVectors>(a, row, column);
    case 4:
      return LinearTile<kLanes, 4, kVectors>(a, row, column);
    case 3:
      return LinearTile<kLanes, 3, kVectors>(a, row, column);
    case 2:
      return LinearTile<kLanes, 2, kVectors>(a, row, column);
    case 1:
      return LinearTile<kLanes, 1, kVectors>(a, row, column);
    default:
      return;
  }
}

template <int kLanes>
SAFEASR_INLINE void Linear(const LinearArgs& a) {
  constexpr std::int64_t kWidest = kLanes == 16 ? 4 : 2;  // vectors of a panel
  const std::int64_t vectors = a.out / kLanes;
  for (std::int64_t done = 0; done < vectors;) {
    const std::int64_t panels = (vectors - done + kWidest - 1) / kWidest;
    const std::int64_t width = (vectors - done + panels - 1) / panels;  // panels of like width
    const std::int64_t column = done * kLanes;
    if constexpr (kWidest == 4) {
      if (width == 4) LinearPanel<kLanes, 4>(a, column);
      if (width == 3) LinearPanel<kLanes, 3>(a, column);
    }
    if (width == 2) LinearPanel<kLanes, 2>(a, column);
    if (width == 1) LinearPanel<kLanes, 1>(a, column);
    done += width;
  }
}

}  // namespace safeasr::kernels
