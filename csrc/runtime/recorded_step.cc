#include "runtime/recorded_step.h"

#include <ATen/ATen.h>

#include <stdexcept>
#include <utility>

namespace safeasr::runtime {
namespace {

// The step on tensors that nobody else has, but for those that are shared.
GraphStep WithInputsOfItsOwn(const GraphStep& step) {
  GraphStep own = step;
  for (std::size_t i = 0; i < own.inputs.size(); ++i) {
    if (i == step.shared) continue;
    if (auto* one = std::get_if<at::Tensor>(&own.inputs[i])) {
      *one = one->clone();
    } else {
      for (at::Tensor& tensor : std::get<std::vector<at::Tensor>>(own.inputs[i])) {
        tensor = tensor.clone();
      }
    }
  }
  return own;
}

// The tensors of an input, one or many.
std::vector<at::Tensor> TensorsOf(const ProgramInput& input) {
  if (const auto* one = std::get_if<at::Tensor>(&input)) return {*one};
  return std::get<std::vector<at::Tensor>>(input);
}

// The program's outputs, and behind them what it wrote.
std::vector<at::Tensor> RunOnce(const GraphStep& step) {
  std::vector<at::Tensor> outputs = step.program.Run(step.inputs);
  if (step.written >= 0) {
    for (const at::Tensor& tensor :
         TensorsOf(step.inputs[static_cast<std::size_t>(step.written)])) {
      outputs.push_back(tensor);
    }
  }
  return outputs;
}

}  // namespace

RecordedStep::RecordedStep(const GraphStep& step, at::Device device, std::int64_t spare_row,
                           c10::MempoolId_t pool)
    : own_(WithInputsOfItsOwn(step)),
      lists_(step.room, spare_row),
      graph_(DeviceGraph::Make(device)) {
  {
    const GraphLists::Pass pass(lists_, /*recorded=*/false);
    RunOnce(own_);
  }
  const GraphLists::Pass pass(lists_, /*recorded=*/true);
  graph_->Begin(pool);
  try {
    outputs_ = RunOnce(own_);
  } catch (...) {
    try {
      graph_->End();  // or the stream would record for ever
    } catch (...) {   // it says what the first error already says
    }
    throw;
  }
  graph_->End();
}

RecordedStep::~RecordedStep() {
  const std::lock_guard<std::mutex> lock(Books());
  graph_.reset();
}

std::mutex& RecordedStep::Books() {
  static std::mutex mutex;
  return mutex;
}

std::vector<at::Tensor> RecordedStep::Run(const GraphStep& step) {
  for (std::size_t i = 0; i < own_.inputs.size(); ++i) {
    // What is written has nothing to bring.
    if (i == own_.shared || static_cast<int>(i) == own_.written) continue;
    const std::vector<at::Tensor> mine = TensorsOf(own_.inputs[i]);
    const std::vector<at::Tensor> given = TensorsOf(step.inputs[i]);
    for (std::size_t t = 0; t < mine.size(); ++t) {
      // copy_ would repeat a row where there is one.
      if (mine[t].sizes() != given[t].sizes()) throw StepDoesNotFit("inputs of another shape");
      mine[t].copy_(given[t], /*non_blocking=*/true);
    }
  }
  lists_.Refill();
  graph_->Replay();
  return outputs_;
}

}  // namespace safeasr::runtime
