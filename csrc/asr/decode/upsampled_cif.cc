#include "asr/decode/upsampled_cif.h"

#include <ATen/ATen.h>

#include "asr/decode/cif.h"

namespace safeasr::asr {

UpsampledSums IntegrateUpsampled(const at::Tensor& weights, std::int64_t tokens) {
  constexpr float kThreshold = 1.0 - 1e-4;
  // By torch, whose order of adding is part of the answer.
  const at::Tensor rows = weights.contiguous().unsqueeze(0);
  const at::Tensor scaled =
      rows *
      (at::scalar_tensor(static_cast<float>(tokens), rows.options()) / rows.sum(-1)).unsqueeze(1);
  const float* first = scaled.data_ptr<float>();
  UpsampledSums sums;
  sums.alphas.assign(first, first + scaled.numel());
  sums.peaks = RunningSums(sums.alphas, kThreshold);
  return sums;
}

}  // namespace safeasr::asr
