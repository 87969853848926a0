// ProgramStep: a program of a step, as it is run by launches or as part of a graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "asr/families/paraformer_streaming/graph_room.h"
#include "runtime/program.h"

namespace safeasr::asr {

struct ProgramStep {
  const runtime::Program& program;
  std::size_t rings;  // the input that holds the rings' tensors: used where they are
  int written;        // the input whose tensors the program writes; -1: none

  // The inputs of the batch as it is, and filled up to a room.
  std::function<std::vector<runtime::ProgramInput>()> plain;
  std::function<std::vector<runtime::ProgramInput>(const GraphRoom&)> filled;
  // Throws core::Error for outputs that are not the program's. room: null for those of `plain`.
  std::function<void(const std::vector<at::Tensor>& outputs, const GraphRoom* room)> check;
};

}  // namespace safeasr::asr
