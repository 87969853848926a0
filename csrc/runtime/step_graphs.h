// StepGraphs: a worker's graphs of programs, one for each shape of a step that keeps coming.
//
// A graph has to earn its place: the first steps of a shape run as ever and are timed, then a graph
// is made, and its first replays are timed too. The faster way is kept.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/graph_lists.h"
#include "runtime/program.h"

namespace safeasr::runtime {

class StreamContext;

// A run of a program whose tensors have the same shapes each time, and what differs is in them.
struct GraphStep {
  const Program& program;
  std::vector<ProgramInput> inputs;
  StepRoom room;
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

  // The program's outputs, then the tensors that it wrote; the next run on this thread may write
  // to them. A step that a graph has no room for runs without one.
  std::vector<at::Tensor> Run(const GraphStep& step, StreamContext& context, GraphCounts& counts);

  // Whether graphs are kept that are no faster, in the whole process: for tests and benchmarks.
  static void KeepSlower(bool keep);

  // Lets go of all graphs and their memory.
  void Clear();

 private:
  struct Entry;
  Entry& Find(const GraphStep& step);
  void Make(Entry& entry, const GraphStep& step, GraphCounts& counts);

  const std::int64_t spare_row_;
  c10::MempoolId_t pool_{0, 0};                // a worker's graphs run one after the other
  std::list<std::unique_ptr<Entry>> entries_;  // the last used first
};

}  // namespace safeasr::runtime
