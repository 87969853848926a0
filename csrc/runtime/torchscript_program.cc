#include "runtime/torchscript_program.h"

#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/serialization/import.h>

#include <stdexcept>

#include "core/errors.h"
#include "runtime/insert_hooks.h"
#include "runtime/layer_hook.h"
#include "runtime/pack_linear.h"

namespace safeasr::runtime {
namespace {

// What inlining left in functions that nobody calls.
void ClearOptimized(const torch::jit::CompilationUnit& functions) {
  for (torch::jit::Function* const function : functions.get_functions()) {
    if (auto* const scripted = torch::jit::tryToGraphFunction(*function)) {
      scripted->clear_optimized_graphs();
    }
  }
}

}  // namespace

// When an operator fails, the interpreter names the functions that it was inlined from, by pointers
// that nobody owns. freeze_module inlines the functions of a copy of the module and destroys the
// copy's; so they are inlined before, and those they came from stay.
void TorchScriptProgram::LoadFrozen(const std::string& path, at::Device device, bool pack_weights) {
  // Weights must be inference tensors of nobody's autograd graph.
  const c10::InferenceMode inference_mode;
  auto loaded = torch::jit::load(path, device);
  loaded.eval();
  torch::jit::Inline(*loaded.get_method("forward").graph());
  functions_ = loaded._ivalue()->compilation_unit();
  ClearOptimized(*functions_);
  module_ = std::make_unique<torch::jit::Module>(torch::jit::freeze_module(loaded));
  const auto graph = module_->get_method("forward").graph();
  if (pack_weights && device.is_cpu()) PackLinearLayers(graph);
  InsertLayerHooks(graph);
}

TorchScriptProgram::TorchScriptProgram(const std::string& path, at::Device device,
                                       bool pack_weights) {
  try {
    LoadFrozen(path, device, pack_weights);
  } catch (const c10::Error& e) {
    throw std::invalid_argument("cannot load the program " + path + ": " +
                                e.what_without_backtrace());
  }
}

std::vector<at::Tensor> TorchScriptProgram::Run(const std::vector<ProgramInput>& inputs) const {
  try {
    return RunModule(inputs);
  } catch (...) {
    // The interpreter throws another type than it caught. Whatever it was, if nobody wants the
    // batch any more, that comes first.
    ThrowIfUnwanted();
    throw;
  }
}

std::vector<at::Tensor> TorchScriptProgram::RunModule(
    const std::vector<ProgramInput>& inputs) const {
  try {
    std::vector<c10::IValue> values;
    values.reserve(inputs.size());
    for (const ProgramInput& input : inputs) {
      std::visit([&](const auto& value) { values.emplace_back(value); }, input);
    }
    c10::IValue output = module_->forward(std::move(values));
    if (output.isTensor()) return {std::move(output).toTensor()};
    if (output.isTensorList()) return output.toTensorVector();
    std::vector<at::Tensor> tensors;
    for (const c10::IValue& element : output.toTupleRef().elements()) {
      tensors.push_back(element.toTensor());
    }
    return tensors;
  } catch (const c10::OutOfMemoryError&) {
    throw;  // the worker's context knows it
  } catch (const c10::Error& e) {
    throw core::Error(core::ErrorKind::kInternal, e.what_without_backtrace());
  } catch (const torch::jit::JITException& e) {
    throw core::Error(core::ErrorKind::kInternal, e.what());
  }
}

}  // namespace safeasr::runtime
