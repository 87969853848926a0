// Program: one exported network, tensors in, tensors out, no state of its own.
//
// The rest of safeasr knows programs only through this class. TorchScript is the one kind there is
// today; another kind stands beside it by another branch in Load.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace safeasr::runtime {

struct ProgramOptions {
  // Where the weights are; several: a copy on each, and a run uses the calling thread's device.
  std::vector<at::Device> devices = {at::kCPU};
  // Rewrite linear layers to oneDNN with weights laid out for it once, at load. CPU only; the
  // packed copy replaces the plain one.
  bool pack_weights = true;
};

// A tensor, or tensors whose number differs from run to run.
using ProgramInput = std::variant<at::Tensor, std::vector<at::Tensor>>;

class Program {
 public:
  virtual ~Program() = default;

  // Runs on the calling thread and its current stream. Thread-safe: any number of threads at once.
  // Throws core::Error(kInternal) with the program's own message when it fails.
  virtual std::vector<at::Tensor> Run(const std::vector<ProgramInput>& inputs) const = 0;

  // Reads a program file (`.ts`: TorchScript). Throws std::invalid_argument when it cannot be read.
  static std::shared_ptr<const Program> Load(const std::string& path,
                                             const ProgramOptions& options);
};

}  // namespace safeasr::runtime
