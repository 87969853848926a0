#include "kernels/gate_kernel.h"

#include <algorithm>

#include "kernels/simd.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

// y = 1 / (1 + exp(-x)), by the exponential of what is not positive, which cannot overflow.
template <int kLanes>
SAFEASR_INLINE void Sigmoid(const float* x, float* y) {
  using Floats = typename Simd<kLanes>::Floats;
  const Floats v = At<kLanes>(x);
  float low[kLanes];
  At<kLanes>(low) = v > 0 ? -v : v;
  ShiftedExp<kLanes>(low, 0.0f);
  const Floats e = At<kLanes>(low);
  At<kLanes>(y) = (v > 0 ? Floats{} + 1.0f : e) / (e + 1.0f);
}

template <int kLanes>
SAFEASR_INLINE void GateAll(const GateRows& a) {
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.x_stride;
    const float* by = a.by + r * a.by_stride;
    float* out = a.out + r * a.size;
    float gate[kLanes];
    std::int64_t c = 0;
    for (; c + kLanes <= a.size; c += kLanes) {
      Sigmoid<kLanes>(by + c, gate);
      At<kLanes>(out + c) = At<kLanes>(x + c) * At<kLanes>(gate);
    }
    if (c == a.size) continue;
    // What is left over goes by the same vectors, so that its bits are the same.
    float rest[kLanes] = {};
    std::copy(by + c, by + a.size, rest);
    Sigmoid<kLanes>(rest, gate);
    for (int lane = 0; c < a.size; ++c, ++lane) out[c] = x[c] * gate[lane];
  }
}

SAFEASR_ENTRY_POINTS(RunGate, GateAll, GateRows)

}  // namespace

void Gate(const GateRows& rows, int lanes) { RunGate(rows, lanes); }

}  // namespace safeasr::kernels
