// A program on several devices: a copy of its weights on each.
#pragma once

#include <memory>
#include <vector>

#include "runtime/program.h"

namespace safeasr::runtime {

// Runs the copy of the calling thread's current device, which a worker's DeviceContext sets.
class ReplicatedProgram : public Program {
 public:
  struct Copy {
    at::Device device;
    std::shared_ptr<const Program> program;
  };

  // copies: at least one, of devices of one kind.
  explicit ReplicatedProgram(std::vector<Copy> copies) : copies_(std::move(copies)) {}

  std::vector<at::Tensor> Run(const std::vector<ProgramInput>& inputs) const override;

 private:
  const std::vector<Copy> copies_;
};

}  // namespace safeasr::runtime
