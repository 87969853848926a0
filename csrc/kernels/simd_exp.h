// The exponential of vectors of floats, as softmax needs it.
#pragma once

#include "kernels/simd.h"

namespace safeasr::kernels {

// x = exp(x - high), to about two units in the last place; below the smallest normal number 0.
template <int kLanes>
SAFEASR_INLINE void ShiftedExp(float* p, float high) {
  using Floats = typename Simd<kLanes>::Floats;
  using Words = typename Simd<kLanes>::Words;
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // their sum is ln 2
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: what is added to it loses its fraction
  constexpr float kSmallest = -87.3f;
  const Floats given = At<kLanes>(p) - high;
  const Floats x = given > kSmallest ? given : Floats{} + kSmallest;
  const Floats rounded = x * kLog2E + kRound;
  const Floats n = rounded - kRound;
  const Floats r = (x - n * kLn2High) - n * kLn2Low;
  // exp on [-ln 2 / 2, ln 2 / 2]: the polynomial of Cephes' expf
  Floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  // 2^n, n being the low bits of `rounded`
  const Words exponent = ((Words)rounded << 23) + (127u << 23);
  const Floats scaled = y * (Floats)exponent;
  At<kLanes>(p) = given > kSmallest ? scaled : Floats{};
}

}  // namespace safeasr::kernels
