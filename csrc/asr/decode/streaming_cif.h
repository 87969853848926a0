// Continuous integrate-and-fire, chunk by chunk.
// Source: Dong and Xu, 2020 (https://arxiv.org/abs/1905.11235); FunASR's
// CifPredictorV2.forward_chunk.
#pragma once

#include <cstdint>
#include <vector>

#include "asr/decode/weighted_rows.h"

namespace safeasr::asr {

// What is left of a token that has not fired yet: the weight it has, and the mean of the hidden
// vectors that gave it, which goes into the next chunk as one more frame.
struct CifCarry {
  float weight = 0;
  std::vector<float> hidden;  // (size), or empty at the beginning of a stream
};

struct CifChunk {
  const float* hidden;  // (rows, size)
  const float* alphas;  // (rows)
  std::int64_t rows, size;
  bool is_final;  // adds a frame of zeros with tail_threshold, so that the last token fires
  float tail_threshold;
};

struct CifTokens {
  std::vector<float> embeddings;  // (count, size)
  std::int64_t count = 0;
  CifCarry carry;  // into the next chunk
};

// In float, one frame after the other, as FunASR does: the order of rounding is part of the answer.
CifTokens IntegrateChunk(const CifCarry& carry, const CifChunk& chunk);

// The same for rows that are on a device: one sum for each token, then one for the next carry's
// hidden vector. chunk.hidden is not looked at. The chunk's rows begin at first_row, the carry's
// vector is row carry_row. Returns the number of tokens; *weight becomes the next carry's.
std::int64_t AddChunkSums(const CifCarry& carry, const CifChunk& chunk, std::int64_t first_row,
                          std::int64_t carry_row, WeightedRows* sums, float* weight);

}  // namespace safeasr::asr
