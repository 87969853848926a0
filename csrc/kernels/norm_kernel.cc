#include "kernels/norm_kernel.h"

#include <cmath>

#include "kernels/bfloat16.h"
#include "kernels/simd.h"

namespace safeasr::kernels {
namespace {

template <int kLanes>
SAFEASR_INLINE float Total(const typename Simd<kLanes>::Floats& v) {
  float total = 0;
  for (int lane = 0; lane < kLanes; ++lane) total += v[lane];
  return total;
}

// out = x + update; returns the sum of it.
template <int kLanes, class Update>
SAFEASR_INLINE float Add(const float* x, const Update* update, std::int64_t size, float* out) {
  using Floats = typename Simd<kLanes>::Floats;
  Floats sums = {};
  std::int64_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    Floats u;
    Load<kLanes>(update + c, &u);
    const Floats sum = At<kLanes>(x + c) + u;
    At<kLanes>(out + c) = sum;
    sums += sum;
  }
  float total = Total<kLanes>(sums);
  for (; c < size; ++c) total += out[c] = x[c] + Widened(update[c]);
  return total;
}

template <int kLanes, class In>
SAFEASR_INLINE float Sum(const In* x, std::int64_t size) {
  typename Simd<kLanes>::Floats sums = {}, v;
  std::int64_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    Load<kLanes>(x + c, &v);
    sums += v;
  }
  float total = Total<kLanes>(sums);
  for (; c < size; ++c) total += Widened(x[c]);
  return total;
}

template <int kLanes, class In, class Out>
SAFEASR_INLINE void Normalize(const In* x, float total, const float* weight, const float* bias,
                              float epsilon, std::int64_t size, Out* out) {
  using Floats = typename Simd<kLanes>::Floats;
  const float mean = total / static_cast<float>(size);
  Floats squares = {}, v;
  std::int64_t c = 0;
  for (; c + kLanes <= size; c += kLanes) {
    Load<kLanes>(x + c, &v);
    const Floats d = v - mean;
    squares += d * d;
  }
  float square = Total<kLanes>(squares);
  for (; c < size; ++c) {
    const float d = Widened(x[c]) - mean;
    square += d * d;
  }
  const float rate = 1.0f / std::sqrt(square / static_cast<float>(size) + epsilon);
  for (c = 0; c + kLanes <= size; c += kLanes) {
    Load<kLanes>(x + c, &v);
    const Floats y = (v - mean) * rate * At<kLanes>(weight + c) + At<kLanes>(bias + c);
    Store<kLanes>(y, out + c);
  }
  for (; c < size; ++c) Narrow((Widened(x[c]) - mean) * rate * weight[c] + bias[c], out + c);
}

template <int kLanes, class Out>
SAFEASR_INLINE void AllRows(const NormRows& a, Out* out) {
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const std::int64_t at = r * a.size;
    const float* row = a.x + at;
    float total;
    if (a.update == nullptr) {
      total = Sum<kLanes>(row, a.size);
    } else {
      total =
          a.update_narrow
              ? Add<kLanes>(row, static_cast<const BFloat16*>(a.update) + at, a.size, a.sum + at)
              : Add<kLanes>(row, static_cast<const float*>(a.update) + at, a.size, a.sum + at);
      row = a.sum + at;
    }
    Normalize<kLanes>(row, total, a.weight, a.bias, a.epsilon, a.size, out + at);
  }
}

template <int kLanes>
SAFEASR_INLINE void Wide(const NormRows& a) {
  if (a.out_narrow) return AllRows<kLanes>(a, static_cast<BFloat16*>(a.out));
  AllRows<kLanes>(a, static_cast<float*>(a.out));
}

template <int kLanes, class Out>
SAFEASR_INLINE void AllNarrowRows(const NarrowNormRows& a, Out* out) {
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const BFloat16* row = static_cast<const BFloat16*>(a.x) + r * a.size;
    Normalize<kLanes>(row, Sum<kLanes>(row, a.size), a.weight, a.bias, a.epsilon, a.size,
                      out + r * a.size);
  }
}

template <int kLanes>
SAFEASR_INLINE void FromNarrow(const NarrowNormRows& a) {
  if (a.out_narrow) return AllNarrowRows<kLanes>(a, static_cast<BFloat16*>(a.out));
  AllNarrowRows<kLanes>(a, static_cast<float*>(a.out));
}

SAFEASR_ENTRY_POINTS(RunWide, Wide, NormRows)
SAFEASR_ENTRY_POINTS(RunNarrow, FromNarrow, NarrowNormRows)

}  // namespace

void NormalizeRows(const NormRows& rows, int lanes) { RunWide(rows, lanes); }
void NormalizeRows(const NarrowNormRows& rows, int lanes) { RunNarrow(rows, lanes); }

}  // namespace safeasr::kernels
