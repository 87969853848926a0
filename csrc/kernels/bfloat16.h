// bfloat16: the upper half of a float. Vectors of it are widened to compute and rounded to store.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/simd.h"

namespace safeasr::kernels {

struct BFloat16 {
  std::uint16_t bits;
};

template <int kLanes>
struct HalfWords {
  typedef std::uint16_t Type __attribute__((vector_size(kLanes * 2)));
};

inline float Widened(float value) { return value; }
inline float Widened(BFloat16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}

inline void Narrow(float value, float* out) { *out = value; }
// To the nearest, ties to even, as torch rounds. NaN stays NaN: rounding would carry the largest of
// its bits to zero.
inline void Narrow(float value, BFloat16* out) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  out->bits = static_cast<std::uint16_t>(value == value ? rounded : 0x7fc0u);
}

template <int kLanes>
SAFEASR_INLINE void Load(const float* p, typename Simd<kLanes>::Floats* out) {
  *out = At<kLanes>(p);
}

template <int kLanes>
SAFEASR_INLINE void Load(const BFloat16* p, typename Simd<kLanes>::Floats* out) {
  using Words = typename Simd<kLanes>::Words;
  typename HalfWords<kLanes>::Type halves;
  __builtin_memcpy(&halves, p, sizeof(halves));  // from any address
  const Words words = __builtin_convertvector(halves, Words) << 16;
  *out = (typename Simd<kLanes>::Floats)words;  // the same bits
}

template <int kLanes>
SAFEASR_INLINE void Store(const typename Simd<kLanes>::Floats& v, float* p) {
  At<kLanes>(p) = v;
}

template <int kLanes>
SAFEASR_INLINE void Store(const typename Simd<kLanes>::Floats& v, BFloat16* p) {
  using Words = typename Simd<kLanes>::Words;
  using Halves = typename HalfWords<kLanes>::Type;
  const Words bits = (Words)v;  // the same bits
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  // NOLINTNEXTLINE(misc-redundant-expression): NaN alone is not equal to itself
  const Words kept = v == v ? rounded : Words{} + 0x7fc0u;
  const Halves halves = __builtin_convertvector(kept, Halves);
  __builtin_memcpy(p, &halves, sizeof(halves));
}

}  // namespace safeasr::kernels
