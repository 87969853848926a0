#include "bindings/utterance_input.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "bindings/gil.h"
#include "core/errors.h"

namespace safeasr {

std::int64_t TakeUtterance(const FloatArray& data, const asr::Frontend& frontend,
                           asr::Utterance* utterance) {
  std::int64_t frames = 0;
  if (data.ndim() == 1) {
    const float* samples = data.data();
    const auto count = data.size();
    const GilRelease release;
    utterance->samples.assign(samples, samples + count);
    frames = frontend.NumFrames(count);
  } else if (data.ndim() == 2 && data.shape(1) == frontend.FeatureSize()) {
    utterance->features = at::empty({data.shape(0), data.shape(1)}, at::kFloat);
    std::copy_n(data.data(), data.size(), utterance->features.data_ptr<float>());
    frames = data.shape(0);
  } else {
    throw core::Error(core::ErrorKind::kInvalidInput,
                      "expected samples (n,) or features (frames, " +
                          std::to_string(frontend.FeatureSize()) + "), got " +
                          std::to_string(data.ndim()) + " dimensions");
  }
  if (frames < 1) throw core::Error(core::ErrorKind::kInvalidInput, "the utterance is empty");
  return frames;
}

}  // namespace safeasr
