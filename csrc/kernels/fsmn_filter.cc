#include "kernels/fsmn_filter.h"

#include <algorithm>

#include "kernels/for_each_cpu.h"

namespace safeasr::kernels {
namespace {

// Channels that are summed in registers at a time: four registers of AVX-512, eight of AVX2.
constexpr std::int64_t kChannels = 64;

}  // namespace

SAFEASR_FOR_EACH_CPU
void FilterFsmnRows(const FsmnRows& rows, const float* taps, std::int64_t kernel, std::int64_t left,
                    std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t first = std::max<std::int64_t>(0, left - t);
    const std::int64_t last = std::min(kernel, rows.frames - t + left);
    for (std::int64_t c = 0; c < rows.size; c += kChannels) {
      const std::int64_t n = std::min(kChannels, rows.size - c);
      float sum[kChannels] = {};
      if (rows.residual != nullptr) {
        const float* r = rows.residual + t * rows.residual_stride + c;
        for (std::int64_t i = 0; i < n; ++i) sum[i] = r[i];
      }
      const float* own = rows.x + t * rows.x_stride + c;
      for (std::int64_t i = 0; i < n; ++i) sum[i] += own[i];
      for (std::int64_t k = first; k < last; ++k) {
        const std::int64_t from = t + k - left;
        const float* v = rows.x + from * rows.x_stride + c;
        const float* w = taps + k * rows.size + c;
        if (n == kChannels) {  // a length that the compiler knows stays in registers
          for (std::int64_t i = 0; i < kChannels; ++i) sum[i] += w[i] * v[i];
        } else {
          for (std::int64_t i = 0; i < n; ++i) sum[i] += w[i] * v[i];
        }
      }
      float* out = rows.out + t * rows.size + c;
      for (std::int64_t i = 0; i < n; ++i) out[i] = sum[i];
    }
  }
}

}  // namespace safeasr::kernels
