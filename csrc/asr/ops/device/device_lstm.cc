#include "asr/ops/device/device_lstm.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <cstdint>
#include <tuple>
#include <utility>

#include "runtime/layer_hook.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kLookEvery = 32;  // steps

// In which order the steps read rows, and where each row's result is then.
struct Order {
  std::vector<std::int64_t> active;  // sequences of each step
  std::vector<std::int64_t> read;    // rows, of all steps, of one direction after the other
  std::vector<std::int64_t> back;    // for each row its place in a direction's results
};

Order OrderOf(const std::vector<kernels::LstmSequence>& sequences, std::int64_t directions,
              std::int64_t rows, std::int64_t used) {
  Order order;
  order.back.assign(static_cast<std::size_t>(directions * rows), used);  // a row of zeros
  for (std::int64_t direction = 0; direction < directions; ++direction) {
    std::int64_t place = 0;
    for (std::int64_t step = 0; step < sequences.front().count; ++step) {
      std::int64_t active = 0;
      for (const kernels::LstmSequence& one : sequences) {
        if (one.count <= step) break;
        const std::int64_t row = one.first + (direction == 1 ? one.count - 1 - step : step);
        order.read.push_back(row);
        order.back[static_cast<std::size_t>(direction * rows + row)] = place++;
        ++active;
      }
      if (direction == 0) order.active.push_back(active);
    }
  }
  return order;
}

// (directions, panels, n, 64) to (directions, n, 4 * size).
at::Tensor Matrices(const at::Tensor& panels) {
  return panels.permute({0, 2, 1, 3}).reshape({panels.size(0), panels.size(2), -1});
}

// gates (n, 4 * size) of input and hidden state, cell (n, size); returns hidden and cell.
std::tuple<at::Tensor, at::Tensor> Step(const at::Tensor& of_input, const at::Tensor& of_hidden,
                                        const at::Tensor& cell) {
  if (of_input.is_cuda()) {  // one launch, which is torch's own and only there
    auto [hidden, next, unused] = at::_thnn_fused_lstm_cell(of_input, of_hidden, cell);
    return {hidden, next};
  }
  const std::vector<at::Tensor> gates = (of_input + of_hidden).chunk(4, 1);
  const at::Tensor next = at::sigmoid(gates[1]) * cell + at::sigmoid(gates[0]) * at::tanh(gates[2]);
  return {at::sigmoid(gates[3]) * at::tanh(next), next};
}

// The state of sequences, which stands in their first two rows.
struct StateRows {
  at::Tensor hidden, cell;  // rows, as indices on the device
  at::Tensor last;          // the place of each sequence's last step in the results
};

// What StateRows holds, as lists. sequences: without those rows.
void AddStateRows(const std::vector<kernels::LstmSequence>& sequences, const Order& order,
                  runtime::IndexLists* lists) {
  std::vector<std::int64_t> hidden, cell, last;
  for (const kernels::LstmSequence& one : sequences) {
    hidden.push_back(one.first - 2);
    cell.push_back(one.first - 1);
    last.push_back(order.back[static_cast<std::size_t>(one.first + one.count - 1)]);
  }
  lists->Add(hidden);
  lists->Add(cell);
  lists->Add(last);
}

}  // namespace

at::Tensor LstmOnDevice(const at::Tensor& x, const at::Tensor& w_ih, const at::Tensor& w_hh,
                        const at::Tensor& bias, const std::vector<kernels::LstmSequence>& given,
                        bool resumed) {
  const at::NoTF32Guard no_tf32;  // rounding adds up over hundreds of steps
  const std::int64_t directions = w_ih.size(0), size = w_hh.size(2), rows = x.size(0);
  if (given.empty()) return at::zeros({rows, directions * size}, x.options());
  std::vector<kernels::LstmSequence> sequences = given;
  for (kernels::LstmSequence& one : sequences) {
    if (resumed) one = {one.first + 2, one.count - 2};
  }
  std::int64_t used = 0;
  for (const kernels::LstmSequence& one : sequences) used += one.count;
  const Order order = OrderOf(sequences, directions, rows, used);
  runtime::IndexLists lists;
  lists.Add(order.read);
  lists.Add(order.back);
  if (resumed) AddStateRows(sequences, order, &lists);
  const std::vector<at::Tensor> sent = lists.Upload(x.device());

  const at::Tensor read = x.index_select(0, sent[0]).view({directions, used, x.size(1)});
  const at::Tensor of_input = at::baddbmm(bias.unsqueeze(1), read, Matrices(w_ih));
  const at::Tensor recurrent = Matrices(w_hh).contiguous();
  at::Tensor hidden = at::zeros({directions, order.active[0], size}, x.options());
  at::Tensor cell = hidden;
  StateRows state;
  if (resumed) {
    state = {sent[2], sent[3], sent[4]};
    hidden = x.index_select(0, state.hidden).unsqueeze(0);
    cell = x.index_select(0, state.cell).unsqueeze(0);
  }
  std::vector<at::Tensor> steps, cells;
  std::int64_t done = 0;
  for (std::size_t step = 0; step < order.active.size(); ++step) {
    if (step % kLookEvery == 0) runtime::ThrowIfUnwanted();
    const std::int64_t active = order.active[step], n = directions * active;
    const at::Tensor of_hidden = at::bmm(hidden.narrow(1, 0, active), recurrent);
    auto [next_hidden, next_cell] =
        Step(of_input.narrow(1, done, active).reshape({n, 4 * size}), of_hidden.view({n, 4 * size}),
             cell.narrow(1, 0, active).reshape({n, size}));
    hidden = next_hidden.view({directions, active, size});
    cell = next_cell.view({directions, active, size});
    steps.push_back(hidden);
    if (resumed) cells.push_back(cell);
    done += active;
  }
  steps.push_back(at::zeros({directions, 1, size}, x.options()));
  // (directions * (used + 1), size); a direction's rows begin where the one before ends.
  const at::Tensor results = at::cat(steps, 1);
  std::vector<at::Tensor> sides;
  for (std::int64_t direction = 0; direction < directions; ++direction) {
    sides.push_back(results[direction].index_select(0, sent[1].narrow(0, direction * rows, rows)));
  }
  at::Tensor out = at::cat(sides, 1);
  if (resumed) {
    out.index_copy_(0, state.hidden, results[0].index_select(0, state.last));
    out.index_copy_(0, state.cell, at::cat(cells, 1)[0].index_select(0, state.last));
  }
  return out;
}

}  // namespace safeasr::asr
