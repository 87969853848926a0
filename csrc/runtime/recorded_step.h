// RecordedStep: a program with inputs of its own, recorded as a graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "runtime/device_graph.h"
#include "runtime/graph_lists.h"
#include "runtime/step_graphs.h"

namespace safeasr::runtime {

class RecordedStep {
 public:
  // Runs the step once, and records it. Only one thread of the process at a time.
  RecordedStep(const GraphStep& step, at::Device device, std::int64_t spare_row,
               c10::MempoolId_t pool);

  c10::MempoolId_t pool() const { return graph_->pool(); }

  // Its outputs, then what it wrote. Throws std::length_error, with nothing queued that matters, if
  // the step does not fit.
  std::vector<at::Tensor> Run(const GraphStep& step);

 private:
  GraphStep own_;  // with the inputs that the graph reads
  GraphLists lists_;
  std::unique_ptr<DeviceGraph> graph_;
  std::vector<at::Tensor> outputs_;
};

}  // namespace safeasr::runtime
