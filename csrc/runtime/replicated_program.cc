#include "runtime/replicated_program.h"

#include "core/errors.h"
#include "runtime/devices.h"

namespace safeasr::runtime {

std::vector<at::Tensor> ReplicatedProgram::Run(const std::vector<ProgramInput>& inputs) const {
  const at::Device current = CurrentDevice(copies_.front().device.type());
  for (const Copy& copy : copies_) {
    if (copy.device == current) return copy.program->Run(inputs);
  }
  throw core::Error(core::ErrorKind::kInternal,
                    "the program was not loaded on " + current.str() + ", where it shall run");
}

}  // namespace safeasr::runtime
