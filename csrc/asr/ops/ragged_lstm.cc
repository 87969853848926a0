#include "asr/ops/ragged_lstm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "asr/ops/device/device_lstm.h"
#include "asr/ops/plain_floats.h"
#include "kernels/lstm_kernel.h"
#include "kernels/simd.h"
#include "runtime/layer_hook.h"

namespace safeasr::asr {
namespace {

// Sequences whose state a thread keeps in its cache, and so few that one has weights of its own to
// read.
constexpr std::int64_t kMostTogether = 48, kFewestTogether = 6;

at::Tensor OnTheCpu(const at::Tensor& x, const at::Tensor& w_ih, const at::Tensor& w_hh,
                    const at::Tensor& bias, const std::vector<kernels::LstmSequence>& sequences,
                    std::int64_t used, bool resumed) {
  const std::int64_t directions = w_ih.size(0), in = x.size(1), size = w_hh.size(2);
  const auto count = static_cast<std::int64_t>(sequences.size());
  at::Tensor out = at::empty({x.size(0), directions * size}, x.options());
  out.narrow(0, used, x.size(0) - used).zero_();
  // Each reading of the weights serves all sequences of a task; threads beyond the directions must
  // be worth another one.
  const std::int64_t threads = std::max<std::int64_t>(1, at::get_num_threads() / directions);
  const std::int64_t together =
      std::clamp((count + threads - 1) / threads, kFewestTogether, kMostTogether);
  const std::int64_t groups = (count + together - 1) / together;
  at::parallel_for(0, groups * directions, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t direction = task % directions, group = task / directions;
      // Longest first in each group, and groups of like lengths.
      const auto first = sequences.begin() + group * together;
      const std::vector<kernels::LstmSequence> own(
          first, first + std::min(together, count - group * together));
      const kernels::LstmWeights weights{w_ih.data_ptr<float>() + direction * w_ih.stride(0),
                                         w_hh.data_ptr<float>() + direction * w_hh.stride(0),
                                         bias.data_ptr<float>() + direction * bias.stride(0), in,
                                         size};
      kernels::RunLstm(weights, own, /*backward=*/direction == 1,
                       {x.data_ptr<float>(), out.data_ptr<float>() + direction * size,
                        directions * size, resumed},
                       kernels::SimdLanes(), &runtime::ThrowIfUnwanted);
    }
  });
  return out;
}

}  // namespace

at::Tensor RaggedLstm(const at::Tensor& x, const at::Tensor& w_ih, const at::Tensor& w_hh,
                      const at::Tensor& bias, const at::Tensor& offsets, bool resumed) {
  TORCH_CHECK(x.dim() == 2 && w_ih.dim() == 4 && w_hh.dim() == 4 && bias.dim() == 2,
              "ragged_lstm expects x (rows, in), w_ih (directions, panels, in, 64), w_hh "
              "(directions, panels, size, 64) and bias (directions, 4 * size), got ",
              x.sizes(), ", ", w_ih.sizes(), ", ", w_hh.sizes(), " and ", bias.sizes());
  const std::int64_t directions = w_ih.size(0), panels = w_ih.size(1), size = w_hh.size(2);
  constexpr std::int64_t kPanel = kernels::kLstmPanel;
  TORCH_CHECK((directions == 1 || directions == 2) && panels * kPanel == 4 * size &&
                  w_ih.sizes() == at::IntArrayRef({directions, panels, x.size(1), kPanel}) &&
                  w_hh.sizes() == at::IntArrayRef({directions, panels, size, kPanel}) &&
                  bias.sizes() == at::IntArrayRef({directions, 4 * size}),
              "ragged_lstm: weights ", w_ih.sizes(), ", ", w_hh.sizes(), " and bias ", bias.sizes(),
              " do not belong together and to rows ", x.sizes());
  TORCH_CHECK(offsets.device().is_cpu() && offsets.scalar_type() == at::kLong &&
                  offsets.dim() == 1 && offsets.size(0) >= 1 && offsets.is_contiguous(),
              "ragged_lstm expects offsets (sequences + 1) int64 on the CPU");
  const std::int64_t* first = offsets.data_ptr<std::int64_t>();
  const std::int64_t count = offsets.size(0) - 1;
  TORCH_CHECK(
      first[0] == 0 && first[count] <= x.size(0) && std::is_sorted(first, first + count + 1),
      "ragged_lstm: offsets must rise from 0, at most to ", x.size(0));

  TORCH_CHECK(!resumed || (directions == 1 && x.size(1) == size),
              "ragged_lstm: what is resumed has one direction and rows of its size, got ",
              directions, " and ", x.sizes());
  std::vector<kernels::LstmSequence> sequences;
  for (std::int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(
        !resumed || first[i + 1] > first[i] + 2,
        "ragged_lstm: a sequence that is resumed has two rows of state and a step at least");
    if (first[i + 1] > first[i]) sequences.push_back({first[i], first[i + 1] - first[i]});
  }
  std::stable_sort(sequences.begin(), sequences.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  runtime::BetweenLayers(x);
  if (PlainFloats(x) && PlainFloats(w_ih) && PlainFloats(w_hh) && PlainFloats(bias)) {
    return OnTheCpu(x, w_ih, w_hh, bias, sequences, first[count], resumed);
  }
  return LstmOnDevice(x, w_ih, w_hh, bias, sequences, resumed);
}

}  // namespace safeasr::asr
