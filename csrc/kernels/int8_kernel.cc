#include "kernels/int8_kernel.h"

#include <algorithm>

#include "kernels/bfloat16.h"
#include "kernels/simd.h"

namespace safeasr::kernels {
namespace {

template <int kLanes>
struct Bytes {
  typedef std::uint8_t Type __attribute__((vector_size(kLanes)));
  typedef std::int32_t Ints __attribute__((vector_size(kLanes * 4)));
};

// none: 0, or NaN where a number is infinite or none: that must not become an ordinary one.
template <int kLanes, class In>
SAFEASR_INLINE void Range(const In* x, std::int64_t size, float* low, float* high, float* none) {
  // Zero is in the range: what ReLU cut off stays exact.
  typename Simd<kLanes>::Floats least = {}, most = {}, nothing = {}, v;
  std::int64_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    Load<kLanes>(x + c, &v);
    least = v < least ? v : least;
    most = v > most ? v : most;
    nothing += v * 0.0f;
  }
  *low = *high = *none = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    *low = std::min(*low, least[lane]);
    *high = std::max(*high, most[lane]);
    *none += nothing[lane];
  }
  for (; c < size; ++c) {
    *low = std::min(*low, Widened(x[c]));
    *high = std::max(*high, Widened(x[c]));
    *none += Widened(x[c]) * 0.0f;
  }
}

template <int kLanes, class In>
SAFEASR_INLINE void QuantizeOne(const In* x, std::int64_t size, std::uint8_t* q, float* scale,
                                float* zero_point) {
  using Floats = typename Simd<kLanes>::Floats;
  float low, high, none;
  Range<kLanes>(x, size, &low, &high, &none);
  if (none != 0) {
    std::fill_n(q, size, std::uint8_t{0});
    *scale = none;  // so that nothing but NaN comes out
    *zero_point = 0;
    return;
  }
  *scale = std::max((high - low) / 255.0f, 1e-20f);
  const float rate = 1.0f / *scale;
  // Not above 255, and never negative: low <= 0 <= high.
  // NOLINTNEXTLINE(bugprone-incorrect-roundings)
  *zero_point = static_cast<float>(static_cast<std::int32_t>(-low * rate + 0.5f));
  const float offset = *zero_point + 0.5f;  // cut off after this, numbers are rounded
  std::int64_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    Floats v;
    Load<kLanes>(x + c, &v);
    v = v * rate + offset;
    v = v > 0.0f ? v : Floats{};
    v = v < 255.0f ? v : Floats{} + 255.0f;
    const auto whole = __builtin_convertvector(v, typename Bytes<kLanes>::Ints);
    const typename Bytes<kLanes>::Type bytes =
        __builtin_convertvector(whole, typename Bytes<kLanes>::Type);
    __builtin_memcpy(q + c, &bytes, sizeof(bytes));
  }
  for (; c < size; ++c) {
    const float v = std::min(std::max(Widened(x[c]) * rate + offset, 0.0f), 255.0f);
    q[c] = static_cast<std::uint8_t>(v);
  }
}

template <int kLanes, class In>
SAFEASR_INLINE void QuantizeAll(const QuantizeRows& a, const In* x) {
  for (std::int64_t r = 0; r < a.rows; ++r) {
    QuantizeOne<kLanes>(x + r * a.size, a.size, a.q + r * a.size, a.scales + r, a.zero_points + r);
  }
}

template <int kLanes>
SAFEASR_INLINE void ToBytes(const QuantizeRows& a) {
  if (a.narrow) return QuantizeAll<kLanes>(a, static_cast<const BFloat16*>(a.x));
  QuantizeAll<kLanes>(a, static_cast<const float*>(a.x));
}

template <int kLanes>
SAFEASR_INLINE void FromProducts(const DequantizeRows& a) {
  using Floats = typename Simd<kLanes>::Floats;
  auto* out = static_cast<BFloat16*>(a.out);
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const float* products = a.products + r * a.size;
    BFloat16* to = out + r * a.size;
    const float scale = a.scales[r], zero_point = a.zero_points[r];
    const float floor = a.relu ? 0.0f : -3.4e38f;
    std::int64_t c = 0;
    for (; c + kLanes <= a.size; c += kLanes) {
      Floats y = (At<kLanes>(products + c) - zero_point * At<kLanes>(a.sums + c)) * scale;
      if (a.bias != nullptr) y += At<kLanes>(a.bias + c);
      y = y < floor ? Floats{} + floor : y;  // NaN stays
      Store<kLanes>(y, to + c);
    }
    for (; c < a.size; ++c) {
      float y = (products[c] - zero_point * a.sums[c]) * scale;
      if (a.bias != nullptr) y += a.bias[c];
      Narrow(std::max(y, floor), to + c);
    }
  }
}

SAFEASR_ENTRY_POINTS(RunToBytes, ToBytes, QuantizeRows)
SAFEASR_ENTRY_POINTS(RunFromProducts, FromProducts, DequantizeRows)

}  // namespace

void Quantize(const QuantizeRows& rows, int lanes) { RunToBytes(rows, lanes); }
void Dequantize(const DequantizeRows& rows, int lanes) { RunFromProducts(rows, lanes); }

}  // namespace safeasr::kernels
