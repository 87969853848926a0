#include "kernels/relative_attention_kernel.h"

#include <algorithm>
#include <limits>

#include "kernels/linear_kernel.h"
#include "kernels/simd.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

constexpr std::int64_t kMostLanes = 16;
constexpr std::int64_t kTile = 24;  // queries in work at a time

std::int64_t Whole(std::int64_t count) {
  return (count + kMostLanes - 1) / kMostLanes * kMostLanes;
}

std::int64_t PositionRows(std::int64_t rows, RelativeKind kind) {
  return kind == RelativeKind::kByDistance ? 2 * rows - 1 : rows;
}

// Positions that a tile of queries looks at.
std::int64_t PanelColumns(std::int64_t rows, RelativeKind kind) {
  return Whole(kind == RelativeKind::kByDistance ? rows + kTile - 1 : rows);
}

// Where the parts of the scratch lie.
struct Parts {
  std::int64_t keys, positions, depth, panel_columns;  // rounded up to whole vectors
  float *keys_turned, *positions_turned, *values, *queries, *panel, *by_position, *scores, *sums;
  std::int64_t floats;
};

Parts Lay(float* scratch, std::int64_t rows, std::int64_t depth, RelativeKind kind) {
  Parts t{};
  t.keys = Whole(rows);
  t.positions = Whole(PositionRows(rows, kind));
  t.depth = Whole(depth);
  t.panel_columns = PanelColumns(rows, kind);
  std::int64_t used = 0;
  const auto take = [&](std::int64_t count) {
    float* part = scratch == nullptr ? nullptr : scratch + used;
    used += count;
    return part;
  };
  t.keys_turned = take(depth * t.keys);
  t.positions_turned = take(depth * t.positions);
  t.values = take(rows * t.depth);
  t.queries = take((kTile + 1) * depth);
  t.panel = take(depth * t.panel_columns);
  t.by_position = take((kTile + 1) * t.panel_columns);
  t.scores = take(kTile * t.keys);
  t.sums = take(kTile * t.depth);
  t.floats = used;
  return t;
}

void Turn(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t depth,
          std::int64_t columns, float* to) {
  for (std::int64_t j = 0; j < columns; ++j) {
    const float* row = from + std::min(j, rows - 1) * stride;
    for (std::int64_t c = 0; c < depth; ++c) to[c * columns + j] = row[c];
  }
}

// `count` queries with a bias, scaled.
void TakeQueries(const RelativeHead& head, std::int64_t first, std::int64_t count,
                 const float* bias, float* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* q = head.q + (first + i) * head.q_stride;
    for (std::int64_t c = 0; c < head.depth; ++c) *to++ = (q[c] + bias[c]) * head.scale;
  }
}

// The scores of a tile's queries by position, added to those by content.
template <int kLanes>
SAFEASR_INLINE void AddPositions(const RelativeHead& head, const Parts& t, std::int64_t first,
                                 std::int64_t rows) {
  const std::int64_t total = head.rows, columns = t.panel_columns;
  const bool shifted = head.kind == RelativeKind::kShifted;
  // Shifted, the last query of the tile needs what the next one would score.
  const std::int64_t queries = shifted ? std::min(rows + 1, total - first) : rows;
  TakeQueries(head, first, queries, head.position_bias, t.queries);
  const float* panel = t.positions_turned;
  std::int64_t width = t.positions;
  if (!shifted) {
    // Column 0 is what the tile's last query scores key 0 by.
    const std::int64_t from = total - 1 - (first + rows - 1);
    const std::int64_t have = std::min(columns, t.positions - from);
    for (std::int64_t c = 0; c < head.depth; ++c) {
      const float* source = t.positions_turned + c * t.positions + from;
      std::copy(source, source + have, t.panel + c * columns);
      std::fill(t.panel + c * columns + have, t.panel + (c + 1) * columns, 0.0f);
    }
    panel = t.panel;
    width = columns;
  }
  Linear<kLanes>({t.queries, head.depth, queries, head.depth, panel, nullptr, width, false,
                  t.by_position, width});
  for (std::int64_t i = 0; i < rows; ++i) {
    float* scores = t.scores + i * t.keys;
    const float* own = t.by_position + i * width;
    if (!shifted) {
      const float* from = own + (rows - 1 - i);
      for (std::int64_t j = 0; j < total; ++j) scores[j] += from[j];
      continue;
    }
    const std::int64_t at = first + i;
    const float* from = own + (total - 1 - at);
    for (std::int64_t j = 0; j <= at; ++j) scores[j] += from[j];
    const float* next = own + width - (at + 2);  // row i + 1, from key i + 2 on
    for (std::int64_t j = at + 2; j < total; ++j) scores[j] += next[j];
  }
}

// The weights become exp(weight - highest); returns their sum.
template <int kLanes>
SAFEASR_INLINE float Exponentials(float* weights, std::int64_t count, std::int64_t padded) {
  const float highest = *std::max_element(weights, weights + count);
  std::fill(weights + count, weights + padded, -std::numeric_limits<float>::infinity());
  typename Simd<kLanes>::Floats sums = {};
  for (std::int64_t j = 0; j < padded; j += kLanes) {
    ShiftedExp<kLanes>(weights + j, highest);
    sums += At<kLanes>(weights + j);
  }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return sum;
}

template <int kLanes>
SAFEASR_INLINE void Attend(const RelativeHead& head) {
  const Parts t = Lay(head.scratch, head.rows, head.depth, head.kind);
  Turn(head.k, head.k_stride, head.rows, head.depth, t.keys, t.keys_turned);
  Turn(head.p, head.p_stride, PositionRows(head.rows, head.kind), head.depth, t.positions,
       t.positions_turned);
  for (std::int64_t j = 0; j < head.rows; ++j) {
    const float* row = head.v + j * head.v_stride;
    float* to = t.values + j * t.depth;
    std::fill(std::copy(row, row + head.depth, to), to + t.depth, 0.0f);
  }
  for (std::int64_t first = 0; first < head.rows; first += kTile) {
    const std::int64_t rows = std::min(kTile, head.rows - first);
    TakeQueries(head, first, rows, head.content_bias, t.queries);
    Linear<kLanes>({t.queries, head.depth, rows, head.depth, t.keys_turned, nullptr, t.keys, false,
                    t.scores, t.keys});
    AddPositions<kLanes>(head, t, first, rows);
    float shares[kTile];
    for (std::int64_t i = 0; i < rows; ++i) {
      shares[i] = 1.0f / Exponentials<kLanes>(t.scores + i * t.keys, head.rows, t.keys);
    }
    Linear<kLanes>(
        {t.scores, t.keys, rows, head.rows, t.values, nullptr, t.depth, false, t.sums, t.depth});
    for (std::int64_t i = 0; i < rows; ++i) {
      float* out = head.out + (first + i) * head.out_stride;
      for (std::int64_t c = 0; c < head.depth; ++c) out[c] = t.sums[i * t.depth + c] * shares[i];
    }
  }
}

SAFEASR_ENTRY_POINTS(Run, Attend, RelativeHead)

}  // namespace

std::int64_t RelativeScratch(std::int64_t rows, std::int64_t depth, RelativeKind kind) {
  return Lay(nullptr, rows, depth, kind).floats;
}

void AttendRelative(const RelativeHead& head, int lanes) { Run(head, lanes); }

}  // namespace safeasr::kernels
