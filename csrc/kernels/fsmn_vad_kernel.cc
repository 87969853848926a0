#include "kernels/fsmn_vad_kernel.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/linear_kernel.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

// Rows that go through the network together: their activations stay in the second-level cache.
constexpr std::int64_t kTileRows = 240;

std::int64_t Padded(std::int64_t n) { return FsmnVadPadded(n); }

// Walks through the weights; through null, only counts.
class Reader {
 public:
  explicit Reader(const float* weights) : weights_(weights) {}

  FsmnVadNetwork::Linear Linear(std::int64_t in, std::int64_t out, bool bias = true) {
    FsmnVadNetwork::Linear made{in, out, Take(in * Padded(out)), nullptr};
    if (bias) made.bias = Take(Padded(out));
    return made;
  }

  const float* Take(std::int64_t count) {
    const float* here = weights_ == nullptr ? nullptr : weights_ + taken_;
    taken_ += count;
    return here;
  }

  std::int64_t taken() const { return taken_; }

 private:
  const float* weights_;
  std::int64_t taken_ = 0;
};

struct Tile {
  const FsmnVadNetwork* net;
  const std::vector<FsmnVadPiece>* pieces;
  std::int64_t rows;  // of all pieces
  // Room for all rows, padded to the widest layer.
  float* first;
  float* second;
  float* memory;  // (past + rows of a piece, proj padded)
};

// y[t, c] = sum_k taps[k, c] * x[t + k, c] + x[t + past, c]; x: (past + rows, width).
template <int kLanes>
SAFEASR_INLINE void Remember(const float* x, const float* taps, std::int64_t past,
                             std::int64_t rows, std::int64_t width, float* y) {
  using Floats = typename Simd<kLanes>::Floats;
  constexpr int kRows = 8;
  constexpr int kTaps = 4;
  for (std::int64_t c = 0; c < width; c += kLanes) {
    std::int64_t t = 0;
    for (; t + kRows <= rows; t += kRows) {
      Floats sum[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) sum[r] = At<kLanes>(x + (t + r + past) * width + c);
      std::int64_t k = 0;
      for (; k + kTaps <= past + 1; k += kTaps) {  // a frame is loaded once for several sums
        Floats w[kTaps];
#pragma GCC unroll 4
        for (int i = 0; i < kTaps; ++i) w[i] = At<kLanes>(taps + (k + i) * width + c);
#pragma GCC unroll 16
        for (int j = 0; j < kRows + kTaps - 1; ++j) {
          const Floats frame = At<kLanes>(x + (t + k + j) * width + c);
#pragma GCC unroll 4
          for (int i = kTaps - 1; i >= 0; --i) {
            if (j - i >= 0 && j - i < kRows) sum[j - i] += w[i] * frame;
          }
        }
      }
      for (; k <= past; ++k) {
        const Floats w = At<kLanes>(taps + k * width + c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) sum[r] += w * At<kLanes>(x + (t + r + k) * width + c);
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) At<kLanes>(y + (t + r) * width + c) = sum[r];
    }
    for (; t < rows; ++t) {
      Floats sum = At<kLanes>(x + (t + past) * width + c);
      for (std::int64_t k = 0; k <= past; ++k) {
        sum += At<kLanes>(taps + k * width + c) * At<kLanes>(x + (t + k) * width + c);
      }
      At<kLanes>(y + t * width + c) = sum;
    }
  }
}

// One row of `width` scores, of which `count` are real.
template <int kLanes>
SAFEASR_INLINE void Softmax(float* row, std::int64_t count, std::int64_t width, float* out) {
  using Floats = typename Simd<kLanes>::Floats;
  for (std::int64_t i = count; i < width; ++i) row[i] = -std::numeric_limits<float>::infinity();
  Floats highs = At<kLanes>(row);
  for (std::int64_t i = kLanes; i < width; i += kLanes) {
    const Floats one = At<kLanes>(row + i);
    highs = one > highs ? one : highs;
  }
  float high = highs[0];
  for (int lane = 1; lane < kLanes; ++lane) high = std::max(high, highs[lane]);
  Floats sums = {};
  for (std::int64_t i = 0; i < width; i += kLanes) {
    ShiftedExp<kLanes>(row + i, high);
    sums += At<kLanes>(row + i);
  }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  for (std::int64_t i = 0; i < width; i += kLanes) At<kLanes>(row + i) /= sum;
  std::memcpy(out, row, static_cast<std::size_t>(count) * sizeof(float));
}

template <int kLanes>
SAFEASR_INLINE void Layer(const FsmnVadNetwork::Linear& w, const float* x, std::int64_t x_stride,
                          std::int64_t rows, bool relu, float* y) {
  const std::int64_t out = Padded(w.out);
  Linear<kLanes>({x, x_stride, rows, w.in, w.matrix, w.bias, out, relu, y, out});
}

template <int kLanes>
SAFEASR_INLINE void RunTile(const Tile& tile) {
  const FsmnVadSizes& s = tile.net->sizes;
  const std::int64_t affine = Padded(s.input_affine), linear = Padded(s.linear),
                     proj = Padded(s.proj), out_affine = Padded(s.output_affine),
                     classes = Padded(s.classes);
  std::int64_t row = 0;
  for (const FsmnVadPiece& piece : *tile.pieces) {
    Layer<kLanes>(tile.net->in1, piece.features, s.input, piece.rows, false,
                  tile.first + row * affine);
    row += piece.rows;
  }
  Layer<kLanes>(tile.net->in2, tile.first, affine, tile.rows, true, tile.second);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const FsmnVadNetwork::Layer& layer = tile.net->layers[static_cast<std::size_t>(i)];
    row = 0;
    for (const FsmnVadPiece& piece : *tile.pieces) {
      float* cache = piece.cache + i * s.past * s.proj;
      const std::size_t bytes = static_cast<std::size_t>(s.proj) * sizeof(float);
      for (std::int64_t t = 0; t < s.past; ++t) {
        std::memcpy(tile.memory + t * proj, cache + t * s.proj, bytes);
        std::memset(tile.memory + t * proj + s.proj, 0,
                    static_cast<std::size_t>(proj - s.proj) * sizeof(float));
      }
      Layer<kLanes>(layer.project, tile.second + row * linear, linear, piece.rows, false,
                    tile.memory + s.past * proj);
      Remember<kLanes>(tile.memory, layer.taps, s.past, piece.rows, proj, tile.first + row * proj);
      const float* newest = tile.memory + piece.rows * proj;
      for (std::int64_t t = 0; t < s.past; ++t) {
        std::memcpy(cache + t * s.proj, newest + t * proj, bytes);
      }
      row += piece.rows;
    }
    Layer<kLanes>(layer.affine, tile.first, proj, tile.rows, true, tile.second);
  }
  Layer<kLanes>(tile.net->out1, tile.second, linear, tile.rows, false, tile.first);
  Layer<kLanes>(tile.net->out2, tile.first, out_affine, tile.rows, false, tile.second);
  float* scored = tile.second;
  for (const FsmnVadPiece& piece : *tile.pieces) {
    for (std::int64_t t = 0; t < piece.rows; ++t, scored += classes) {
      float* out = piece.scores + t * s.classes;
      if (s.softmax) {
        Softmax<kLanes>(scored, s.classes, classes, out);
      } else {
        std::memcpy(out, scored, static_cast<std::size_t>(s.classes) * sizeof(float));
      }
    }
  }
}

SAFEASR_ENTRY_POINTS(ScoreTile, RunTile, Tile)

std::int64_t Widest(const FsmnVadSizes& s) {
  return std::max({Padded(s.input_affine), Padded(s.linear), Padded(s.proj),
                   Padded(s.output_affine), Padded(s.classes)});
}

}  // namespace

FsmnVadNetwork::FsmnVadNetwork(const FsmnVadSizes& s, const float* weights, std::int64_t count)
    : sizes(s) {
  for (const std::int64_t size :
       {s.input, s.input_affine, s.layers, s.linear, s.proj, s.past, s.output_affine, s.classes}) {
    if (size < 1 || size > 1 << 16) {
      throw std::invalid_argument("fsmn_vad: expected sizes from 1 to 65536, got " +
                                  std::to_string(size));
    }
  }
  Reader reader(weights);
  in1 = reader.Linear(s.input, s.input_affine);
  in2 = reader.Linear(s.input_affine, s.linear);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    Layer layer;
    layer.project = reader.Linear(s.linear, s.proj, /*bias=*/false);
    layer.taps = reader.Take((s.past + 1) * Padded(s.proj));
    layer.affine = reader.Linear(s.proj, s.linear);
    layers.push_back(layer);
  }
  out1 = reader.Linear(s.linear, s.output_affine);
  out2 = reader.Linear(s.output_affine, s.classes);
  if (reader.taken() != count) {
    throw std::invalid_argument("fsmn_vad: the sizes need " + std::to_string(reader.taken()) +
                                " weights, got " + std::to_string(count));
  }
}

std::int64_t FsmnVadScratch(const FsmnVadSizes& s, std::int64_t rows) {
  const std::int64_t room = std::min(kTileRows, rows);
  return 2 * room * Widest(s) + (s.past + room) * Padded(s.proj);
}

void ScoreFsmnVad(const FsmnVadNetwork& network, const std::vector<FsmnVadPiece>& pieces,
                  float* scratch, int lanes, const std::function<void()>& between) {
  const FsmnVadSizes& s = network.sizes;
  std::int64_t rows = 0;
  for (const FsmnVadPiece& piece : pieces) rows += piece.rows;
  const std::int64_t room = std::min(kTileRows, rows), widest = Widest(s);
  std::vector<FsmnVadPiece> parts;
  Tile tile{&network, &parts, 0, scratch, scratch + room * widest, scratch + 2 * room * widest};
  for (FsmnVadPiece left : pieces) {
    while (left.rows > 0) {
      FsmnVadPiece part = left;
      part.rows = std::min(left.rows, room - tile.rows);
      parts.push_back(part);
      tile.rows += part.rows;
      left.features += part.rows * s.input;
      left.scores += part.rows * s.classes;
      left.rows -= part.rows;
      if (tile.rows < room) continue;
      if (between) between();
      ScoreTile(tile, lanes);
      tile.rows = 0;
      parts.clear();
    }
  }
  if (tile.rows > 0) ScoreTile(tile, lanes);
}

}  // namespace safeasr::kernels
