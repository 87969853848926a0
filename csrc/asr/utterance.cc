#include "asr/utterance.h"

#include <ATen/ATen.h>

#include "runtime/upload.h"

namespace safeasr::asr {

FeatureRows BatchFeatures(const Frontend* frontend, const std::vector<const Utterance*>& batch,
                          at::Device device) {
  std::vector<c10::ArrayRef<float>> waves;
  for (const Utterance* u : batch) {
    if (!u->features.defined()) waves.emplace_back(u->samples);
  }
  FeatureRows computed;
  if (!waves.empty()) computed = frontend->ComputeRows(waves, device);
  if (waves.size() == batch.size()) return computed;

  FeatureRows features;
  std::vector<at::Tensor> parts;
  std::size_t next = 0;
  std::int64_t first = 0;
  for (const Utterance* u : batch) {
    if (u->features.defined()) {
      parts.push_back(runtime::Upload(u->features, device));
    } else {
      parts.push_back(computed.values.narrow(0, first, computed.lengths[next]));
      first += computed.lengths[next++];
    }
    features.lengths.push_back(parts.back().size(0));
  }
  features.values = at::cat(parts);
  return features;
}

}  // namespace safeasr::asr
