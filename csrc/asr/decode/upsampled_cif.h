// The second, finer integral of a predictor with an upsampled head: what timestamps are made from.
// Source: FunASR's CifPredictorV3.get_upsample_timestamp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

struct UpsampledSums {
  std::vector<float> alphas;  // scaled to add up to the number of tokens
  std::vector<float> peaks;   // their integral; at least 0.9999 where it fires
};

// weights: (steps) float32 on the CPU, of one utterance; several steps are one frame of the
// encoder.
UpsampledSums IntegrateUpsampled(const at::Tensor& weights, std::int64_t tokens);

}  // namespace safeasr::asr
