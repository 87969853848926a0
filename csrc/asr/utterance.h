// One utterance on its way through a recogniser: what goes in, what comes out.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "asr/features/frontend.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::asr {

struct Utterance : core::Payload {
  std::vector<float> samples;   // mono, at the frontend's rate, [-1, 1]; or
  at::Tensor features;          // (frames, feature size) float32 on the CPU, ready for the encoder
  bool want_alignment = false;  // keep what timestamps are made from
};

struct Transcript : core::Result {
  std::vector<std::int64_t> tokens;  // ids as the network gave them, nothing filtered
  std::int64_t frames = 0;           // encoder frames
  std::vector<float> alphas, peaks;  // CIF weights and integral, if wanted
};

// The features of a batch: computed for utterances that came as samples, taken from those that came
// as features. frontend: may be null if none came as samples.
FeatureRows BatchFeatures(const Frontend* frontend, const std::vector<const Utterance*>& batch,
                          at::Device device);

}  // namespace safeasr::asr
