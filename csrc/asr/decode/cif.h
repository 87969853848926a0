// Continuous integrate-and-fire: from frame weights to token embeddings.
// Source: Dong and Xu, 2020 (https://arxiv.org/abs/1905.11235); FunASR's CifPredictorV2 (cif_v1)
// and CifPredictorV3 (cif).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "asr/decode/weighted_rows.h"

namespace safeasr::asr {

struct CifConfig {
  // Added behind the last frame, so that the last token fires; 0 switches it off.
  double tail_threshold = 0.45;
  // How sums are rounded: over a token's frames, one after the other, or as differences of sums
  // that run through the whole utterance.
  bool token_by_token = false;
};

// Rows before and after a row that the weights' convolution sees.
struct CifSpan {
  std::int64_t left = 1, right = 1;
};

// Where a token fires, how much of the firing frame's weight goes to the next token, and how much
// to this one.
struct CifFire {
  std::int64_t frame;
  float remainder, given;
};

// What integrating the weights of one utterance gives. n = frames, plus one for the tail if any.
struct CifFiring {
  std::int64_t tokens = 0;     // tokens of the utterance; `embeddings` has that many rows
  std::vector<CifFire> fires;  // of these tokens; may be fewer: the rest are zeros
  at::Tensor embeddings;       // (tokens, size) float32
  std::vector<float> alphas;   // n weights, the tail included
  std::vector<float> peaks;    // n values of the integral; at least 1 where a token fires
};

// The integral alone: what has come together at each frame since the last fire, which takes
// `threshold` off. In float32, one frame after the other. Source: FunASR's cif_wo_hidden.
std::vector<float> RunningSums(const std::vector<float>& alphas, float threshold);

// All but the embeddings. alphas: (frames,) float32 on the CPU. Throws std::runtime_error when a
// weight is no finite number.
CifFiring FindFires(const at::Tensor& alphas, const CifConfig& config);

// The embeddings as sums of an utterance's hidden rows, which begin at first_row: the same weights
// to rounding, for a device that has the rows.
void AddTokenSums(const CifFiring& firing, std::int64_t frames, std::int64_t first_row,
                  WeightedRows* sums);

// hidden: (frames, size) float32 on the CPU, the real frames of one utterance. alphas: (frames,).
// Gives the numbers that FunASR gives for this utterance alone, down to the order of rounding: sums
// that run through an utterance are kept in double and rounded to float at every frame, as
// torch.cumsum does; those of a token are in float32.
CifFiring IntegrateAndFire(const at::Tensor& hidden, const at::Tensor& alphas,
                           const CifConfig& config);

}  // namespace safeasr::asr
