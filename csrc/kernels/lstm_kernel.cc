#include "kernels/lstm_kernel.h"

#include <algorithm>
#include <cstddef>

#include "kernels/linear_kernel.h"
#include "kernels/simd_exp.h"

namespace safeasr::kernels {
namespace {

// Rows of input whose gates are computed at a time: as many as stay in the cache.
constexpr std::int64_t kBlockRows = 96;

// A product with weights in panels: y (rows, outputs) = x (rows, in) * weights + bias.
struct PanelProduct {
  const float* x;
  std::int64_t rows, in;
  const float* weights;
  const float* bias;  // or null
  std::int64_t outputs;
  float* y;
};

template <int kLanes>
SAFEASR_INLINE void Multiply(const PanelProduct& p) {
  for (std::int64_t column = 0; column < p.outputs; column += kLstmPanel) {
    Linear<kLanes>(LinearArgs{p.x, p.in, p.rows, p.in, p.weights + column * p.in,
                              p.bias == nullptr ? nullptr : p.bias + column, kLstmPanel,
                              /*relu=*/false, p.y + column, p.outputs});
  }
}

// x = exp(-|x|)
template <int kLanes>
SAFEASR_INLINE void ExpOfMinus(float* x) {
  using Floats = typename Simd<kLanes>::Floats;
  const Floats given = At<kLanes>(x);
  At<kLanes>(x) = given < 0 ? given : -given;
  ShiftedExp<kLanes>(x, 0.0f);
}

template <int kLanes>
SAFEASR_INLINE void Sigmoid(float* x) {
  using Floats = typename Simd<kLanes>::Floats;
  const Floats given = At<kLanes>(x);
  ExpOfMinus<kLanes>(x);
  const Floats e = At<kLanes>(x), one = Floats{} + 1.0f;
  At<kLanes>(x) = (given < 0 ? e : one) / (one + e);
}

template <int kLanes>
SAFEASR_INLINE void Tanh(float* x) {
  using Floats = typename Simd<kLanes>::Floats;
  const Floats given = At<kLanes>(x);
  At<kLanes>(x) = given + given;
  ExpOfMinus<kLanes>(x);
  const Floats e = At<kLanes>(x), one = Floats{} + 1.0f;
  const Floats y = (one - e) / (one + e);
  At<kLanes>(x) = given < 0 ? -y : y;
}

// One row's step: gates of the input and of the hidden state, the cell's state before and after.
struct Cell {
  const float* from_input;
  const float* from_hidden;
  float* state;
  float* hidden;
  std::int64_t size;
};

template <int kLanes>
SAFEASR_INLINE void Step(const Cell& cell) {
  for (std::int64_t i = 0; i < cell.size; i += kLanes) {
    float gates[4][kLanes];  // input, forget, new, output
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g) {
      const std::int64_t at = g * cell.size + i;
      At<kLanes>(gates[g]) = At<kLanes>(cell.from_input + at) + At<kLanes>(cell.from_hidden + at);
    }
    Sigmoid<kLanes>(gates[0]);
    Sigmoid<kLanes>(gates[1]);
    Tanh<kLanes>(gates[2]);
    Sigmoid<kLanes>(gates[3]);
    At<kLanes>(cell.state + i) = At<kLanes>(gates[1]) * At<kLanes>(cell.state + i) +
                                 At<kLanes>(gates[0]) * At<kLanes>(gates[2]);
    At<kLanes>(gates[1]) = At<kLanes>(cell.state + i);
    Tanh<kLanes>(gates[1]);
    At<kLanes>(cell.hidden + i) = At<kLanes>(gates[3]) * At<kLanes>(gates[1]);
  }
}

template <int kLanes>
SAFEASR_INLINE void MultiplyKernel(const PanelProduct& product) {
  Multiply<kLanes>(product);
}
template <int kLanes>
SAFEASR_INLINE void StepKernel(const Cell& cell) {
  Step<kLanes>(cell);
}
SAFEASR_ENTRY_POINTS(RunMultiply, MultiplyKernel, PanelProduct)
SAFEASR_ENTRY_POINTS(RunStep, StepKernel, Cell)

constexpr std::int64_t kStateRows = 2;

std::int64_t RowOf(const LstmSequence& sequence, std::int64_t step, bool backward) {
  return sequence.first + (backward ? sequence.count - 1 - step : step);
}

}  // namespace

void RunLstm(const LstmWeights& weights, const std::vector<LstmSequence>& sequences, bool backward,
             const LstmRows& rows, int lanes, const std::function<void()>& between) {
  const std::int64_t in = weights.in, size = weights.size, outputs = 4 * size;
  auto active = static_cast<std::int64_t>(sequences.size());
  const std::int64_t block = std::max(active, kBlockRows);
  std::vector<float> hidden(active * size), state(active * size), from_hidden(active * outputs),
      x(block * in), from_input(block * outputs);
  const std::int64_t before = rows.resumed ? kStateRows : 0;
  const auto count_at = [&](std::int64_t i) {
    return sequences[static_cast<std::size_t>(i)].count - before;
  };
  if (rows.resumed) {
    for (std::int64_t i = 0; i < active; ++i) {
      const float* first = rows.x + sequences[static_cast<std::size_t>(i)].first * in;
      std::copy_n(first, size, hidden.data() + i * size);
      std::copy_n(first + in, size, state.data() + i * size);
    }
  }
  const std::int64_t steps = active == 0 ? 0 : count_at(0);
  for (std::int64_t step = 0; step < steps;) {
    if (between) between();
    while (count_at(active - 1) <= step) --active;
    // So many steps that all of these sequences take.
    const std::int64_t ahead =
        std::min(std::max<std::int64_t>(1, block / active), count_at(active - 1) - step);
    for (std::int64_t s = 0; s < ahead; ++s) {
      for (std::int64_t i = 0; i < active; ++i) {
        const float* row =
            rows.x +
            (before + RowOf(sequences[static_cast<std::size_t>(i)], step + s, backward)) * in;
        std::copy_n(row, in, x.data() + (s * active + i) * in);
      }
    }
    RunMultiply(
        {x.data(), ahead * active, in, weights.input, weights.bias, outputs, from_input.data()},
        lanes);
    for (std::int64_t s = 0; s < ahead; ++s) {
      RunMultiply(
          {hidden.data(), active, size, weights.hidden, nullptr, outputs, from_hidden.data()},
          lanes);
      for (std::int64_t i = 0; i < active; ++i) {
        float* h = hidden.data() + i * size;
        RunStep({from_input.data() + (s * active + i) * outputs, from_hidden.data() + i * outputs,
                 state.data() + i * size, h, size},
                lanes);
        const std::int64_t row =
            before + RowOf(sequences[static_cast<std::size_t>(i)], step + s, backward);
        std::copy_n(h, size, rows.out + row * rows.out_stride);
      }
    }
    step += ahead;
  }
  if (!rows.resumed) return;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    float* first = rows.out + sequences[i].first * rows.out_stride;
    const auto at = static_cast<std::int64_t>(i) * size;
    std::copy_n(hidden.data() + at, size, first);
    std::copy_n(state.data() + at, size, first + rows.out_stride);
  }
}

}  // namespace safeasr::kernels
