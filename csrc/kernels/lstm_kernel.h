// A layer of an LSTM over many sequences in one direction, on the calling thread; without torch.
// Source: Hochreiter and Schmidhuber, 1997; the gates are in the order of torch.nn.LSTM.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/simd.h"

namespace safeasr::kernels {

// Columns of a panel of weights.
constexpr std::int64_t kLstmPanel = 64;

// One direction of a layer. A matrix (4 * size, n) is laid out in panels of kLstmPanel outputs,
// (4 * size / kLstmPanel, n, kLstmPanel), so that what is read together lies together.
struct LstmWeights {
  const float* input;     // of (4 * size, in)
  const float* hidden;    // of (4 * size, size)
  const float* bias;      // (4 * size)
  std::int64_t in, size;  // size: a multiple of 16
};

struct LstmSequence {
  std::int64_t first, count;  // rows
};

// x: (rows, in), rows without gaps; out: (rows, size), rows out_stride apart.
struct LstmRows {
  const float* x;
  float* out;
  std::int64_t out_stride;
  // The first two rows of each sequence are no steps but its state before them, hidden and cell, as
  // wide as rows; in their place goes the state behind the last step.
  // Forwards only.
  bool resumed = false;
};

// Each sequence by itself, from a state of zeros or from that in its first rows. A row's numbers
// are the same bits whatever other sequences there are. All sequences take their steps together, so
// that weights are read once for all of them. sequences: the longest first. backward: from the last
// row to the first. lanes: 16, 8 or 4, no more than SimdLanes(). between: if not empty, called
// every few steps; what it throws ends the work.
void RunLstm(const LstmWeights& weights, const std::vector<LstmSequence>& sequences, bool backward,
             const LstmRows& rows, int lanes, const std::function<void()>& between = {});

}  // namespace safeasr::kernels
