#include "kernels/gelu_kernel.h"

#include <algorithm>

#include "kernels/bfloat16.h"
#include "kernels/simd.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

// max(x, 0) - |x| / 2 * erfc(|x| / sqrt(2)). erfc: Abramowitz and Stegun, 7.1.26.
template <int kLanes>
SAFEASR_INLINE void GeluOf(typename Simd<kLanes>::Floats* x) {
  using Floats = typename Simd<kLanes>::Floats;
  constexpr float kRootOfHalf = 0.70710678118654752f;
  constexpr float kFar = 16;  // from here on erfc is 0, and infinity times 0 would be no number
  const Floats size = *x < 0 ? -*x : *x;
  const Floats z = (size > kFar ? Floats{} + kFar : size) * kRootOfHalf;
  const Floats t = 1.0f / (z * 0.3275911f + 1.0f);
  Floats y = t * 1.061405429f - 1.453152027f;
  y = y * t + 1.421413741f;
  y = y * t - 0.284496736f;
  y = y * t + 0.254829592f;
  Floats power = -z * z;
  ShiftedExp<kLanes>(reinterpret_cast<float*>(&power), 0);
  *x = (*x > 0 ? *x : Floats{}) - z * kRootOfHalf * (y * t * power);
}

template <int kLanes, class T>
SAFEASR_INLINE void All(T* x, std::int64_t count) {
  typename Simd<kLanes>::Floats v;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Load<kLanes>(x + i, &v);
    GeluOf<kLanes>(&v);
    Store<kLanes>(v, x + i);
  }
  if (i == count) return;
  T rest[kLanes] = {};  // as a vector, like all the others
  std::copy(x + i, x + count, rest);
  Load<kLanes>(rest, &v);
  GeluOf<kLanes>(&v);
  Store<kLanes>(v, rest);
  std::copy(rest, rest + (count - i), x + i);
}

template <int kLanes>
SAFEASR_INLINE void OfEither(const GeluArgs& a) {
  if (a.narrow) return All<kLanes>(static_cast<BFloat16*>(a.x), a.count);
  All<kLanes>(static_cast<float*>(a.x), a.count);
}

SAFEASR_ENTRY_POINTS(RunGelu, OfEither, GeluArgs)

}  // namespace

void Gelu(const GeluArgs& args, int lanes) { RunGelu(args, lanes); }

}  // namespace safeasr::kernels
