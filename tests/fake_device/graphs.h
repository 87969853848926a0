// Graphs: what a thread's kernels are recorded into.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace fake {

// What a kernel did, to be done again. Unlike CUDA, kernels also run while they are recorded,
// because the CPU's kernels decide the shapes of their results by running; End() poisons what came
// of it.
class Recording {
 public:
  // Into which the calling thread records; null if it does not.
  static Recording* OfThisThread();

  // Throws if the thread records: the host may not wait there, nor copy.
  static void Forbid(const std::string& what);

  // again: does it, and gives its results.
  void Add(std::function<torch::jit::Stack()> again, const torch::jit::Stack& results);

  // On the calling thread's stream.
  void Begin();
  void End();
  void Replay() const;
  void Clear() { steps_.clear(); }

  // Replays take longer from now on, in all threads.
  static void Delay(std::chrono::milliseconds by);

 private:
  struct Step {
    std::function<torch::jit::Stack()> again;
    std::vector<at::Tensor> results;
  };
  std::vector<Step> steps_;
};

}  // namespace fake
