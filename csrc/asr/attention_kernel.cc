#include "asr/attention_kernel.h"

#include <algorithm>
#include <limits>

#include "asr/simd.h"
#include "asr/simd_exp.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kMostLanes = 16;
constexpr std::int64_t kKeys = 4;  // dot products at a time, so that none waits for another

using Four = Simd<4>::Floats;

// The sums of the lanes of four vectors, as one vector of four.
template <int kLanes>
SAFEASR_INLINE void SumLanes(const typename Simd<kLanes>::Floats (&v)[kKeys], float* out) {
  Four part[kKeys];
  for (int m = 0; m < kKeys; ++m) {
    const float* lanes = reinterpret_cast<const float*>(&v[m]);
    part[m] = At<4>(lanes);
    for (int l = 4; l < kLanes; l += 4) part[m] += At<4>(lanes + l);
  }
  // Lanes of (a, b) side by side, added: a0+a2, b0+b2, a1+a3, b1+b3.
  const auto fold = [](const Four& a, const Four& b) __attribute__((always_inline)) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  };
  const Four ab = fold(part[0], part[1]), cd = fold(part[2], part[3]);
  At<4>(out) =
      __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

// weights[j] = query . keys[j], for all keys; room for kKeys - 1 more behind the last.
template <int kLanes>
SAFEASR_INLINE void Scores(const HeadAttention& head, const float* query, float* weights) {
  using Floats = typename Simd<kLanes>::Floats;
  const std::int64_t whole = head.depth / kLanes * kLanes;
  for (std::int64_t j = 0; j < head.keys_count; j += kKeys) {
    const float* row[kKeys];
    for (int m = 0; m < kKeys; ++m) row[m] = head.keys[std::min(j + m, head.keys_count - 1)];
    Floats sum[kKeys] = {};
    for (std::int64_t c = 0; c < whole; c += kLanes) {
      const Floats q = At<kLanes>(query + c);
      for (int m = 0; m < kKeys; ++m) sum[m] += q * At<kLanes>(row[m] + c);
    }
    SumLanes<kLanes>(sum, weights + j);
    for (int m = 0; m < kKeys; ++m) {
      for (std::int64_t c = whole; c < head.depth; ++c) weights[j + m] += query[c] * row[m][c];
    }
  }
}

// The weights become exp(weight - highest); returns their sum.
template <int kLanes>
SAFEASR_INLINE float Exponentials(float* weights, std::int64_t count) {
  float highest = weights[0];
  for (std::int64_t j = 1; j < count; ++j) highest = std::max(highest, weights[j]);
  const std::int64_t padded = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(weights + count, weights + padded, -std::numeric_limits<float>::infinity());
  typename Simd<kLanes>::Floats sums = {};
  for (std::int64_t j = 0; j < padded; j += kLanes) {
    ShiftedExp<kLanes>(weights + j, highest);
    sums += At<kLanes>(weights + j);
  }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return sum;
}

// kVectors vectors of channels, summed in registers.
template <int kLanes, int kVectors>
SAFEASR_INLINE void WeightedSum(const HeadAttention& head, const float* weights, float share,
                                std::int64_t channel, float* out) {
  using Floats = typename Simd<kLanes>::Floats;
  Floats sum[kVectors] = {};
  for (std::int64_t j = 0; j < head.keys_count; ++j) {
    const float* row = head.values[j] + channel;
    const float weight = weights[j];
    for (int v = 0; v < kVectors; ++v) sum[v] += weight * At<kLanes>(row + v * kLanes);
  }
  for (int v = 0; v < kVectors; ++v) At<kLanes>(out + v * kLanes) = sum[v] * share;
}

template <int kLanes>
SAFEASR_INLINE void Attend(const HeadAttention& head) {
  constexpr int kVectors = 8;
  float* const query = head.scratch;
  float* const weights = head.scratch + head.depth;
  for (std::int64_t i = 0; i < head.queries; ++i) {
    float* out = head.out + i * head.out_stride;
    if (head.keys_count == 0) {
      std::fill_n(out, head.depth, 0.0f);
      continue;
    }
    const float* q = head.q + i * head.q_stride;
    for (std::int64_t c = 0; c < head.depth; ++c) query[c] = q[c] * head.scale;
    Scores<kLanes>(head, query, weights);
    const float share = 1.0f / Exponentials<kLanes>(weights, head.keys_count);

    std::int64_t c = 0;
    for (; c + kVectors * kLanes <= head.depth; c += kVectors * kLanes) {
      WeightedSum<kLanes, kVectors>(head, weights, share, c, out + c);
    }
    for (; c + kLanes <= head.depth; c += kLanes) {
      WeightedSum<kLanes, 1>(head, weights, share, c, out + c);
    }
    for (; c < head.depth; ++c) {
      float sum = 0;
      for (std::int64_t j = 0; j < head.keys_count; ++j) sum += weights[j] * head.values[j][c];
      out[c] = sum * share;
    }
  }
}

SAFEASR_ENTRY_POINTS(Run, Attend, HeadAttention)

}  // namespace

std::int64_t AttentionScratch(std::int64_t keys_count, std::int64_t depth) {
  return depth + (keys_count + kMostLanes - 1) / kMostLanes * kMostLanes + kKeys;
}

void AttendHead(const HeadAttention& head, int lanes) { Run(head, lanes); }

}  // namespace safeasr::asr
