// Waves that go on at both ends as if a mirror stood there.
#pragma once

#include <c10/util/ArrayRef.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace safeasr::asr {

// Samples first to first + used of a wave that is mirrored at both ends, its end samples repeated:
// -1 reads sample 0, -2 reads sample 1.
inline void CopyMirrored(c10::ArrayRef<float> wave, std::int64_t first, std::int64_t used,
                         float* out) {
  const auto length = static_cast<int64_t>(wave.size());
  const auto mirrored = [&](int64_t at) {
    while (at < 0 || at >= length) at = at < 0 ? -at - 1 : 2 * length - 1 - at;
    return wave[static_cast<size_t>(at)];
  };
  const int64_t begin = std::clamp<int64_t>(-first, 0, used);
  const int64_t end = std::clamp<int64_t>(length - first, begin, used);
  for (int64_t s = 0; s < begin; ++s) out[s] = mirrored(first + s);
  std::copy_n(wave.data() + first + begin, end - begin, out + begin);
  for (int64_t s = end; s < used; ++s) out[s] = mirrored(first + s);
}

}  // namespace safeasr::asr
