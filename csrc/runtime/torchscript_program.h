// A TorchScript module as a Program: loaded, frozen, its linear layers packed for the CPU,
// with a hook between its layers.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/program.h"

namespace safeasr::runtime {

class TorchScriptProgram : public Program {
 public:
  TorchScriptProgram(const std::string& path, at::Device device, bool pack_weights);
  std::vector<at::Tensor> Run(const std::vector<ProgramInput>& inputs) const override;

 private:
  void LoadFrozen(const std::string& path, at::Device device, bool pack_weights);
  std::vector<at::Tensor> RunModule(const std::vector<ProgramInput>& inputs) const;

  // What errors name; without weights.
  std::shared_ptr<const torch::jit::CompilationUnit> functions_;
  // Calling a method of a module is not const in torch's interface, though it changes nothing of a
  // frozen module; the pointer keeps Run const and the module shared.
  std::unique_ptr<torch::jit::Module> module_;
};

}  // namespace safeasr::runtime
