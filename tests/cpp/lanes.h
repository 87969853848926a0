// What the tests of vector kernels share: the instruction sets of this processor, and random rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/simd.h"

namespace safeasr::kernels {

// Every value of `lanes` that this processor can run.
inline std::vector<int> Lanes() {
  std::vector<int> lanes;
  for (const int one : {4, 8, 16}) {
    if (one <= SimdLanes()) lanes.push_back(one);
  }
  return lanes;
}

template <class T>
T Rounded(float value) {
  T out;
  Narrow(value, &out);
  return out;
}

// Normal numbers, as T holds them.
template <class T>
std::vector<T> RandomNumbers(std::int64_t count, unsigned seed, float spread = 1, float mean = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, spread);
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (T& n : numbers) n = Rounded<T>(normal(random));
  return numbers;
}

// How far the rounding of a result to T may carry it.
template <class T>
double Rounding(double value);
template <>
inline double Rounding<float>(double) {
  return 0;
}
template <>
inline double Rounding<BFloat16>(double value) {
  return std::abs(value) / 256;
}

inline bool SameBits(float a, float b) { return a == b; }
inline bool SameBits(BFloat16 a, BFloat16 b) { return a.bits == b.bits; }

}  // namespace safeasr::kernels
