#include "kernels/attention_bf16_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "kernels/attention_places.h"
#include "kernels/simd_exp.h"

#define SAFEASR_BF16_CODE __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,fma")))
#define SAFEASR_BF16_INLINE inline SAFEASR_BF16_CODE __attribute__((always_inline))

namespace safeasr::kernels {
namespace {

// Numbers are taken in pairs, one 32-bit word each: that is what the processor multiplies.
using Word = std::uint32_t;
constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kTile = 24;  // queries whose weights are in work at a time
constexpr std::size_t kLine = 64;   // bytes of a cache line

std::int64_t RoundUp(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

// Where the parts of the scratch lie.
struct Layout {
  std::int64_t keys, key_pairs, channel_pairs, depth;
  Word* keys_turned;   // (channel pairs, keys)
  Word* value_pairs;   // (key pairs, depth)
  Word* queries;       // (kTile, channel pairs)
  Word* weight_pairs;  // (kTile, key pairs)
  float* scores;       // (kTile, keys)
  float* sums;         // (kTile, depth)
};

Layout Lay(float* scratch, std::int64_t keys_count, std::int64_t depth) {
  Layout l;
  // No vector across two cache lines.
  const auto place = reinterpret_cast<std::uintptr_t>(scratch);
  const std::size_t floats_to_line = (kLine - place % kLine) % kLine / sizeof(float);
  scratch += floats_to_line;
  l.keys = RoundUp(keys_count, kLanes);
  l.key_pairs = l.keys / 2;
  l.channel_pairs = depth / 2;
  l.depth = depth;
  l.keys_turned = reinterpret_cast<Word*>(scratch);
  l.value_pairs = l.keys_turned + l.channel_pairs * l.keys;
  l.queries = l.value_pairs + l.key_pairs * depth;
  l.weight_pairs = l.queries + kTile * l.channel_pairs;
  l.scores = reinterpret_cast<float*>(l.weight_pairs + kTile * l.key_pairs);
  l.sums = l.scores + kTile * l.keys;
  return l;
}

// out[r, n] = sum over pairs p of a[r, p] . b[p, n]
struct Product {
  const Word* a;
  std::int64_t a_stride, rows, pairs;
  const Word* b;
  std::int64_t columns;  // a multiple of kLanes
  float* out;            // (rows, columns)
};

template <int kRows, int kVectors>
SAFEASR_BF16_INLINE void Tile(const Product& p, std::int64_t row, std::int64_t column) {
  __m512 sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_setzero_ps();
  }
  const Word* a = p.a + row * p.a_stride;
  const Word* b = p.b + column;
  for (std::int64_t k = 0; k < p.pairs; ++k, b += p.columns) {
    __m512i w[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i pair = _mm512_set1_epi32(static_cast<int>(a[r * p.a_stride + k]));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)pair, (__m512bh)w[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(p.out + (row + r) * p.columns + column + v * kLanes, sum[r][v]);
    }
  }
}

template <int kVectors>
SAFEASR_BF16_INLINE void Panel(const Product& p, std::int64_t column) {
  std::int64_t row = 0;
  for (; row + 6 <= p.rows; row += 6) Tile<6, kVectors>(p, row, column);
  // The rest at once: alone, a row's sums would wait for each other.
  switch (p.rows - row) {
    case 5:
      return Tile<5, kVectors>(p, row, column);
    case 4:
      return Tile<4, kVectors>(p, row, column);
    case 3:
      return Tile<3, kVectors>(p, row, column);
    case 2:
      return Tile<2, kVectors>(p, row, column);
    case 1:
      return Tile<1, kVectors>(p, row, column);
    default:
      return;
  }
}

SAFEASR_BF16_CODE void Multiply(const Product& p) {
  std::int64_t column = 0;
  for (; column + 4 * kLanes <= p.columns; column += 4 * kLanes) Panel<4>(p, column);
  for (; column + 2 * kLanes <= p.columns; column += 2 * kLanes) Panel<2>(p, column);
  if (column < p.columns) Panel<1>(p, column);
}

const Word* Words(const BFloat16* row) { return reinterpret_cast<const Word*>(row); }

// Rows become columns: word c of row r is word r of row c.
SAFEASR_BF16_INLINE void Transpose(__m512i* rows) {
  __m512i t[kLanes];
#pragma GCC unroll 8
  for (int i = 0; i < kLanes; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // rows[4 g + m]: of each four words the m-th, of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // What remains is to turn a square of four by four parts of four words.
#pragma GCC unroll 4
  for (int m = 0; m < 4; ++m) {
    const __m512i even = _mm512_shuffle_i32x4(rows[m], rows[4 + m], 0x88);
    const __m512i odd = _mm512_shuffle_i32x4(rows[m], rows[4 + m], 0xdd);
    const __m512i even2 = _mm512_shuffle_i32x4(rows[8 + m], rows[12 + m], 0x88);
    const __m512i odd2 = _mm512_shuffle_i32x4(rows[8 + m], rows[12 + m], 0xdd);
    t[m] = _mm512_shuffle_i32x4(even, even2, 0x88);
    t[4 + m] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
    t[8 + m] = _mm512_shuffle_i32x4(even, even2, 0xdd);
    t[12 + m] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) rows[i] = t[i];
}

SAFEASR_BF16_CODE void TurnKeys(const HeadAttention<BFloat16>& head, const Layout& l) {
  for (std::int64_t first = 0; first < l.keys; first += kLanes) {
    const Word* keys[kLanes];
    for (std::int64_t j = 0; j < kLanes; ++j) {
      keys[j] = Words(head.keys[std::min(first + j, head.keys_count - 1)]);
    }
    for (std::int64_t c = 0; c < l.channel_pairs; c += kLanes) {
      const std::int64_t pairs = std::min(kLanes, l.channel_pairs - c);
      const auto there = static_cast<__mmask16>((1u << pairs) - 1);
      __m512i words[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) words[j] = _mm512_maskz_loadu_epi32(there, keys[j] + c);
      Transpose(words);
      Word* to = l.keys_turned + c * l.keys + first;
      for (std::int64_t p = 0; p < pairs; ++p) _mm512_storeu_si512(to + p * l.keys, words[p]);
    }
  }
}

// 16 numbers, each widened to a word.
SAFEASR_BF16_INLINE void Widen(const BFloat16* from, __m512i* to) {
  *to = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

SAFEASR_BF16_CODE void PairValues(const HeadAttention<BFloat16>& head, const Layout& l) {
  for (std::int64_t pair = 0; pair < l.key_pairs; ++pair) {
    Word* to = l.value_pairs + pair * l.depth;
    const std::int64_t j = 2 * pair;
    for (std::int64_t c = 0; c < l.depth; c += kLanes) {
      // Behind the last value there are zeros, whose weight is zero too.
      __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
      if (j < head.keys_count) Widen(head.values[j] + c, &low);
      if (j + 1 < head.keys_count) Widen(head.values[j + 1] + c, &high);
      _mm512_storeu_si512(to + c, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
}

// Scores to weights that sum to what is returned; in bfloat16.
SAFEASR_BF16_CODE float Softmax(float* scores, std::int64_t count, std::int64_t padded, float scale,
                                Word* weights) {
  std::fill(scores + count, scores + padded, -std::numeric_limits<float>::infinity());
  __m512 most = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  for (std::int64_t j = 0; j < padded; j += kLanes) {
    most = _mm512_max_ps(most, _mm512_loadu_ps(scores + j));
  }
  const float highest = _mm512_reduce_max_ps(most) * scale;
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t j = 0; j < padded; j += kLanes) {
    _mm512_storeu_ps(scores + j, _mm512_mul_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(scale)));
    ShiftedExp<16>(scores + j, highest);
    const __m512 weight = _mm512_loadu_ps(scores + j);
    sum = _mm512_add_ps(sum, weight);
    const __m256bh narrow = _mm512_cvtneps_pbh(weight);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(weights + j / 2), (__m256i)narrow);
  }
  return _mm512_reduce_add_ps(sum);
}

// Scores times the scale, less what distances cost. Returns the scale that is left to apply.
SAFEASR_BF16_INLINE float ScaleAndPlace(const HeadAttention<BFloat16>& head, std::int64_t query,
                                        std::int64_t padded, float* scores) {
  if (head.places == nullptr) return head.scale;
  for (std::int64_t j = 0; j < padded; j += kLanes) At<kLanes>(scores + j) *= head.scale;
  LowerByDistance<kLanes>(head, query, scores);
  return 1;
}

SAFEASR_BF16_CODE void Attend(const HeadAttention<BFloat16>& head) {
  const Layout l = Lay(head.scratch, head.keys_count, head.depth);
  TurnKeys(head, l);
  PairValues(head, l);
  for (std::int64_t first = 0; first < head.queries; first += kTile) {
    const std::int64_t rows = std::min(kTile, head.queries - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      __builtin_memcpy(l.queries + i * l.channel_pairs, head.q + (first + i) * head.q_stride,
                       static_cast<std::size_t>(head.depth) * sizeof(BFloat16));
    }
    Multiply({l.queries, l.channel_pairs, rows, l.channel_pairs, l.keys_turned, l.keys, l.scores});
    float shares[kTile];
    for (std::int64_t i = 0; i < rows; ++i) {
      float* const scores = l.scores + i * l.keys;
      const float scale = ScaleAndPlace(head, first + i, l.keys, scores);
      shares[i] =
          1.0f / Softmax(scores, head.keys_count, l.keys, scale, l.weight_pairs + i * l.key_pairs);
    }
    Multiply({l.weight_pairs, l.key_pairs, rows, l.key_pairs, l.value_pairs, l.depth, l.sums});
    for (std::int64_t i = 0; i < rows; ++i) {
      BFloat16* out = head.out + (first + i) * head.out_stride;
      for (std::int64_t c = 0; c < head.depth; c += kLanes) {
        const __m512 y =
            _mm512_mul_ps(_mm512_loadu_ps(l.sums + i * l.depth + c), _mm512_set1_ps(shares[i]));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c), (__m256i)_mm512_cvtneps_pbh(y));
      }
    }
  }
}

}  // namespace

bool HasBf16Attention(std::int64_t depth) {
  static const bool has = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
  }();
  return has && depth % kLanes == 0;
}

std::int64_t Bf16AttentionScratch(std::int64_t keys_count, std::int64_t depth) {
  const std::int64_t keys = RoundUp(keys_count, kLanes);
  const std::int64_t line = kLine / sizeof(float);
  return line + (keys + kTile) * depth + kTile * (keys / 2 + keys + depth);  // see Layout
}

void AttendHeadBf16(const HeadAttention<BFloat16>& head) { Attend(head); }

}  // namespace safeasr::kernels

#else

namespace safeasr::kernels {

bool HasBf16Attention(std::int64_t) { return false; }
std::int64_t Bf16AttentionScratch(std::int64_t, std::int64_t) { return 0; }
void AttendHeadBf16(const HeadAttention<BFloat16>&) {}

}  // namespace safeasr::kernels

#endif
