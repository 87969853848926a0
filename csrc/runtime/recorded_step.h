// RecordedStep: a program with inputs of its own, recorded as a graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/device_graph.h"
#include "runtime/graph_lists.h"
#include "runtime/step_graphs.h"

namespace safeasr::runtime {

class RecordedStep {
 public:
  // Held by the one thread of the process that records or lets go of a recording: CUDA's memory and
  // its generators of random numbers keep books of both, without locks of their own.
  static std::mutex& Books();

  // Runs the step once, and records it. The caller holds Books().
  RecordedStep(const GraphStep& step, at::Device device, std::int64_t spare_row,
               c10::MempoolId_t pool);

  // Takes Books().
  ~RecordedStep();
  RecordedStep(const RecordedStep&) = delete;
  RecordedStep& operator=(const RecordedStep&) = delete;

  c10::MempoolId_t pool() const { return graph_->pool(); }

  // Its outputs, then what it wrote. Throws StepDoesNotFit, with nothing queued that matters.
  std::vector<at::Tensor> Run(const GraphStep& step);

 private:
  GraphStep own_;  // with the inputs that the graph reads
  GraphLists lists_;
  std::unique_ptr<DeviceGraph> graph_;
  std::vector<at::Tensor> outputs_;
};

}  // namespace safeasr::runtime
