#include "asr/utterance.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace safeasr::asr {

Features BatchFeatures(const Frontend& frontend, const std::vector<const Utterance*>& batch,
                       at::Device device) {
  std::vector<c10::ArrayRef<float>> waves;
  for (const Utterance* u : batch) {
    if (!u->features.defined()) waves.emplace_back(u->samples);
  }
  Features computed;
  if (!waves.empty()) computed = frontend.Compute(waves, device);
  if (waves.size() == batch.size()) return computed;

  Features features;
  std::vector<at::Tensor> rows;
  std::int64_t longest = 0;
  std::size_t next = 0;
  for (const Utterance* u : batch) {
    if (u->features.defined()) {
      rows.push_back(u->features.to(device));
    } else {
      rows.push_back(computed.values[next].narrow(0, 0, computed.lengths[next]));
      ++next;
    }
    features.lengths.push_back(rows.back().size(0));
    longest = std::max(longest, rows.back().size(0));
  }
  features.values =
      at::zeros({static_cast<std::int64_t>(batch.size()), longest, frontend.FeatureSize()},
                at::TensorOptions(device).dtype(at::kFloat));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    features.values[i].narrow(0, 0, rows[i].size(0)).copy_(rows[i]);
  }
  return features;
}

}  // namespace safeasr::asr
