#include "runtime/program.h"

#include <stdexcept>

#include "runtime/torchscript_program.h"

namespace safeasr::runtime {

std::shared_ptr<const Program> Program::Load(const std::string& path,
                                             const ProgramOptions& options) {
  const auto dot = path.rfind('.');
  const std::string kind = dot == std::string::npos ? "" : path.substr(dot);
  if (kind == ".ts") return std::make_shared<TorchScriptProgram>(path, options);
  throw std::invalid_argument("unknown kind of program '" + kind + "' (expected .ts): " + path);
}

}  // namespace safeasr::runtime
