// StepGraphs: a worker's graphs of programs, one for each shape of a step that keeps coming.
//
// A graph has to earn its place: the first steps of a shape run as ever and are timed, then a graph
// is made, and its first replays are timed too, with the rows of nobody that fill them up. The
// faster way is kept.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "runtime/graph_lists.h"
#include "runtime/program.h"

namespace safeasr::runtime {

class DeviceContext;

// A run of a program whose tensors have the same shapes each time, and what differs is in them.
struct GraphStep {
  const Program& program;
  std::vector<ProgramInput> inputs;
  GraphRoom room;
  std::size_t shared;  // the input whose tensors are used where they are: slabs
  int written = -1;    // the input whose tensors the program writes; -1: none
};

// What became of the graphs of a model; safe from any thread.
struct GraphCounts {
  std::atomic<std::uint64_t> made{0}, replayed{0};
  std::atomic<std::uint64_t> slower{0};  // given up: the launches alone were as fast
  std::atomic<std::uint64_t> failed{0};  // could not be made
};

class StepGraphs {
 public:
  StepGraphs();
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  using Key = std::vector<std::int64_t>;
  using Outputs = std::vector<at::Tensor>;

  // The outputs of a step, by launches or by the graph of its shape; the next run on this thread
  // may write to them. plain: runs it; its outputs are the program's, then the tensors that it
  // wrote. filled_up: the step as a graph takes it, with the same shapes for the same key.
  Outputs Run(const Key& key, const std::function<Outputs()>& plain,
              const std::function<GraphStep()>& filled_up, DeviceContext& context,
              GraphCounts& counts);

  // Whether graphs are kept that are no faster, in the whole process: for tests and benchmarks.
  static void KeepSlower(bool keep);

  // Lets go of all graphs and their memory.
  void Clear();

 private:
  struct Entry;
  Entry& Find(const Key& key);
  void Judge(Entry& entry, GraphCounts& counts);
  void Make(Entry& entry, const std::function<GraphStep()>& filled_up, const DeviceContext& context,
            GraphCounts& counts);
  // A worker's graphs run one after the other, so they can share their memory. That is let go of
  // with the last of them, and then there must be another.
  c10::MempoolId_t Pool() const;

  const std::int64_t spare_row_;
  std::list<std::unique_ptr<Entry>> entries_;  // the last used first
};

}  // namespace safeasr::runtime
