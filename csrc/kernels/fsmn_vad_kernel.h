// The scorer of voice activity detection on the CPU, on the calling thread; without torch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/simd.h"

namespace safeasr::kernels {

// A row of weights is padded by zeros to a multiple of this.
constexpr std::int64_t kFsmnVadPadding = 16;

inline std::int64_t FsmnVadPadded(std::int64_t n) {
  return (n + kFsmnVadPadding - 1) / kFsmnVadPadding * kFsmnVadPadding;
}

// in1, in2, ReLU; `layers` times project, remember, affine, ReLU; out1, out2, softmax.
struct FsmnVadSizes {
  std::int64_t input, input_affine, layers, linear, proj, past, output_affine, classes;
  bool softmax;
};

// Where the weights are; it does not own them.
//
// They stand one after the other; "matrix" is (in, out) row-major and "row" (out), with `out`
// padded:
//   in1 matrix, in1 row, in2 matrix, in2 row,
//   for each layer: project matrix, taps (past + 1) rows, the latest frame's last, affine matrix,
//   affine row,
//   out1 matrix, out1 row, out2 matrix, out2 row.
class FsmnVadNetwork {
 public:
  // `weights` may be null where only the sizes matter. Throws std::invalid_argument unless `count`
  // weights are what the sizes need.
  FsmnVadNetwork(const FsmnVadSizes& sizes, const float* weights, std::int64_t count);

  struct Linear {
    std::int64_t in, out;  // out: not padded
    const float* matrix;
    const float* bias;  // null: none
  };
  struct Layer {
    Linear project;
    const float* taps;
    Linear affine;
  };

  FsmnVadSizes sizes;
  Linear in1, in2;
  std::vector<Layer> layers;
  Linear out1, out2;
};

// Rows of one stream.
struct FsmnVadPiece {
  const float* features;  // (rows, input)
  float* cache;           // (layers, past, proj): the memories' frames before; replaced
  float* scores;          // (rows, classes), written
  std::int64_t rows;      // 0 too
};

// Scores pieces of any number of streams, those of one stream in order. A row's scores are the same
// bits however the stream is cut and whatever is scored beside it. Cuts the work so that the
// activations stay in the cache.
//
// scratch: room for FsmnVadScratch(sizes, sum of rows) floats. lanes: 16, 8 or 4, no more than
// SimdLanes(). between: if not empty, called before each part of some milliseconds; what it throws
// ends the work, and leaves caches and scores half written.
void ScoreFsmnVad(const FsmnVadNetwork& network, const std::vector<FsmnVadPiece>& pieces,
                  float* scratch, int lanes = SimdLanes(),
                  const std::function<void()>& between = {});
std::int64_t FsmnVadScratch(const FsmnVadSizes& sizes, std::int64_t rows);

}  // namespace safeasr::kernels
