#include "kernels/attention_kernel.h"

#include <algorithm>
#include <limits>

#include "kernels/attention_bf16_kernel.h"
#include "kernels/attention_places.h"
#include "kernels/linear_kernel.h"
#include "kernels/simd.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

constexpr std::int64_t kMostLanes = 16;
constexpr std::int64_t kTile = 24;        // queries whose weights are in work at a time
constexpr std::int64_t kWorthTiles = 32;  // queries; below, laying out keys and values costs more
// The same where the processor multiplies bfloat16: the products are fast, and so is the laying
// out.
constexpr std::int64_t kWorthProducts = 4;
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
template <int kLanes, class T>
SAFEASR_INLINE void Scores(const HeadAttention<T>& head, const float* query, float* weights) {
  using Floats = typename Simd<kLanes>::Floats;
  const std::int64_t whole = head.depth / kLanes * kLanes;
  for (std::int64_t j = 0; j < head.keys_count; j += kKeys) {
    const T* row[kKeys];
    for (int m = 0; m < kKeys; ++m) row[m] = head.keys[std::min(j + m, head.keys_count - 1)];
    Floats sum[kKeys] = {};
    for (std::int64_t c = 0; c < whole; c += kLanes) {
      const Floats q = At<kLanes>(query + c);
      for (int m = 0; m < kKeys; ++m) {
        Floats k;
        Load<kLanes>(row[m] + c, &k);
        sum[m] += q * k;
      }
    }
    SumLanes<kLanes>(sum, weights + j);
    for (int m = 0; m < kKeys; ++m) {
      for (std::int64_t c = whole; c < head.depth; ++c)
        weights[j + m] += query[c] * Widened(row[m][c]);
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
template <int kLanes, int kVectors, class T>
SAFEASR_INLINE void WeightedSum(const HeadAttention<T>& head, const float* weights, float share,
                                std::int64_t channel, T* out) {
  using Floats = typename Simd<kLanes>::Floats;
  Floats sum[kVectors] = {};
  for (std::int64_t j = 0; j < head.keys_count; ++j) {
    const T* row = head.values[j] + channel;
    const float weight = weights[j];
    for (int v = 0; v < kVectors; ++v) {
      Floats value;
      Load<kLanes>(row + v * kLanes, &value);
      sum[v] += weight * value;
    }
  }
  for (int v = 0; v < kVectors; ++v) Store<kLanes>(sum[v] * share, out + v * kLanes);
}

// One query after the other: no row is moved.
template <int kLanes, class T>
SAFEASR_INLINE void AttendOneByOne(const HeadAttention<T>& head) {
  constexpr int kVectors = 8;
  float* const query = head.scratch;
  float* const weights = head.scratch + head.depth;
  for (std::int64_t i = 0; i < head.queries; ++i) {
    T* out = head.out + i * head.out_stride;
    const T* q = head.q + i * head.q_stride;
    for (std::int64_t c = 0; c < head.depth; ++c) query[c] = Widened(q[c]) * head.scale;
    Scores<kLanes>(head, query, weights);
    LowerByDistance<kLanes>(head, i, weights);
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
      for (std::int64_t j = 0; j < head.keys_count; ++j) {
        sum += weights[j] * Widened(head.values[j][c]);
      }
      Narrow(sum * share, out + c);
    }
  }
}

// Where the parts of the scratch of AttendInTiles lie.
struct Tiles {
  std::int64_t keys, depth;  // rounded up to whole vectors
  float *queries, *scores, *sums, *keys_turned, *values;
};

Tiles Lay(float* scratch, std::int64_t keys_count, std::int64_t depth) {
  Tiles t;
  t.keys = (keys_count + kMostLanes - 1) / kMostLanes * kMostLanes;
  t.depth = (depth + kMostLanes - 1) / kMostLanes * kMostLanes;
  t.queries = scratch;
  t.scores = t.queries + kTile * depth;
  t.sums = t.scores + kTile * t.keys;
  t.keys_turned = t.sums + kTile * t.depth;
  t.values = t.keys_turned + depth * t.keys;
  return t;
}

std::int64_t TilesScratch(std::int64_t keys_count, std::int64_t depth) {
  const std::int64_t keys = (keys_count + kMostLanes - 1) / kMostLanes * kMostLanes;
  const std::int64_t whole_depth = (depth + kMostLanes - 1) / kMostLanes * kMostLanes;
  return kTile * (depth + keys + whole_depth) + depth * keys + keys_count * whole_depth;
}

// Keys and values are laid out once so that products are those of a linear layer.
template <int kLanes, class T>
SAFEASR_INLINE void AttendInTiles(const HeadAttention<T>& head) {
  using Floats = typename Simd<kLanes>::Floats;
  const Tiles t = Lay(head.scratch, head.keys_count, head.depth);
  for (std::int64_t j = 0; j < t.keys; ++j) {
    const T* key = head.keys[std::min(j, head.keys_count - 1)];
    for (std::int64_t c = 0; c < head.depth; ++c) t.keys_turned[c * t.keys + j] = Widened(key[c]);
  }
  const std::int64_t whole = head.depth / kLanes * kLanes;
  for (std::int64_t j = 0; j < head.keys_count; ++j) {
    float* to = t.values + j * t.depth;
    for (std::int64_t c = 0; c < whole; c += kLanes) {
      Floats v;
      Load<kLanes>(head.values[j] + c, &v);
      At<kLanes>(to + c) = v;
    }
    for (std::int64_t c = whole; c < head.depth; ++c) to[c] = Widened(head.values[j][c]);
    std::fill(to + head.depth, to + t.depth, 0.0f);
  }
  for (std::int64_t first = 0; first < head.queries; first += kTile) {
    const std::int64_t rows = std::min(kTile, head.queries - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      const T* q = head.q + (first + i) * head.q_stride;
      float* to = t.queries + i * head.depth;
      for (std::int64_t c = 0; c < head.depth; ++c) to[c] = Widened(q[c]) * head.scale;
    }
    Linear<kLanes>({t.queries, head.depth, rows, head.depth, t.keys_turned, nullptr, t.keys, false,
                    t.scores, t.keys});
    float shares[kTile];
    for (std::int64_t i = 0; i < rows; ++i) {
      LowerByDistance<kLanes>(head, first + i, t.scores + i * t.keys);
      shares[i] = 1.0f / Exponentials<kLanes>(t.scores + i * t.keys, head.keys_count);
    }
    Linear<kLanes>({t.scores, t.keys, rows, head.keys_count, t.values, nullptr, t.depth, false,
                    t.sums, t.depth});
    for (std::int64_t i = 0; i < rows; ++i) {
      T* out = head.out + (first + i) * head.out_stride;
      const float* sum = t.sums + i * t.depth;
      for (std::int64_t c = 0; c < whole; c += kLanes) {
        const Floats y = At<kLanes>(sum + c) * shares[i];
        Store<kLanes>(y, out + c);
      }
      for (std::int64_t c = whole; c < head.depth; ++c) Narrow(sum[c] * shares[i], out + c);
    }
  }
}

template <int kLanes, class T>
SAFEASR_INLINE void Attend(const HeadAttention<T>& head) {
  if (head.keys_count == 0) {
    for (std::int64_t i = 0; i < head.queries; ++i) {
      std::fill_n(head.out + i * head.out_stride, head.depth, T{});
    }
    return;
  }
  if (head.queries < kWorthTiles) return AttendOneByOne<kLanes>(head);
  AttendInTiles<kLanes>(head);
}

template <int kLanes>
SAFEASR_INLINE void AttendWide(const HeadAttention<float>& head) {
  Attend<kLanes>(head);
}
template <int kLanes>
SAFEASR_INLINE void AttendNarrow(const HeadAttention<BFloat16>& head) {
  Attend<kLanes>(head);
}

SAFEASR_ENTRY_POINTS(RunWide, AttendWide, HeadAttention<float>)
SAFEASR_ENTRY_POINTS(RunNarrow, AttendNarrow, HeadAttention<BFloat16>)

}  // namespace

std::int64_t AttentionScratch(std::int64_t queries, std::int64_t keys_count, std::int64_t depth) {
  const std::int64_t one_by_one =
      depth + (keys_count + kMostLanes - 1) / kMostLanes * kMostLanes + kKeys;
  const std::int64_t wide = queries < kWorthTiles ? one_by_one : TilesScratch(keys_count, depth);
  if (queries < kWorthProducts) return wide;
  return std::max(wide, Bf16AttentionScratch(keys_count, depth));
}

void AttendHead(const HeadAttention<float>& head, int lanes) { RunWide(head, lanes); }
void AttendHead(const HeadAttention<BFloat16>& head, int lanes) {
  const bool products = lanes == kMostLanes && head.queries >= kWorthProducts &&
                        head.keys_count > 0 && HasBf16Attention(head.depth);
  products ? AttendHeadBf16(head) : RunNarrow(head, lanes);
}

}  // namespace safeasr::kernels
