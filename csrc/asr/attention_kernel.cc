#include "asr/attention_kernel.h"

#include <algorithm>
#include <cmath>

#include "asr/for_each_cpu.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kLanes = 16;     // partial sums of a dot product: one register of AVX-512
constexpr std::int64_t kKeys = 4;       // dot products at a time, so that none waits for another
constexpr std::int64_t kChannels = 64;  // of the output, summed in registers

}  // namespace

SAFEASR_FOR_EACH_CPU
void AttendHead(const HeadQueries& queries, const float* const* keys, const float* const* values,
                std::int64_t keys_count, std::int64_t depth, float scale, float* scratch) {
  float* const weights = scratch;
  float* const query = scratch + keys_count;
  for (std::int64_t i = 0; i < queries.count; ++i) {
    const float* q = queries.q + i * queries.q_stride;
    for (std::int64_t c = 0; c < depth; ++c) query[c] = q[c] * scale;

    const std::int64_t whole = depth / kLanes * kLanes;
    float highest = -INFINITY;
    for (std::int64_t j = 0; j < keys_count; j += kKeys) {
      const std::int64_t n = std::min(kKeys, keys_count - j);
      const float* row[kKeys];
      for (std::int64_t m = 0; m < kKeys; ++m) row[m] = keys[j + std::min(m, n - 1)];
      float sum[kKeys][kLanes] = {};
      for (std::int64_t c = 0; c < whole; c += kLanes) {
        for (std::int64_t m = 0; m < kKeys; ++m) {
          for (std::int64_t l = 0; l < kLanes; ++l) sum[m][l] += query[c + l] * row[m][c + l];
        }
      }
      for (std::int64_t m = 0; m < n; ++m) {
        for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
          for (std::int64_t l = 0; l < half; ++l) sum[m][l] += sum[m][l + half];
        }
        float score = sum[m][0];
        for (std::int64_t c = whole; c < depth; ++c) score += query[c] * row[m][c];
        weights[j + m] = score;
        highest = std::max(highest, score);
      }
    }

    float total = 0;
    for (std::int64_t j = 0; j < keys_count; ++j) {
      weights[j] = std::exp(weights[j] - highest);
      total += weights[j];
    }
    const float share = keys_count > 0 ? 1.0f / total : 0.0f;

    float* out = queries.out + i * queries.out_stride;
    for (std::int64_t c = 0; c < depth; c += kChannels) {
      const std::int64_t n = std::min(kChannels, depth - c);
      float sum[kChannels] = {};
      for (std::int64_t j = 0; j < keys_count; ++j) {
        const float weight = weights[j];
        const float* row = values[j] + c;
        if (n == kChannels) {  // a length that the compiler knows stays in registers
          for (std::int64_t l = 0; l < kChannels; ++l) sum[l] += weight * row[l];
        } else {
          for (std::int64_t l = 0; l < n; ++l) sum[l] += weight * row[l];
        }
      }
      for (std::int64_t l = 0; l < n; ++l) out[c + l] = sum[l] * share;
    }
  }
}

}  // namespace safeasr::asr
