#include "runtime/torchscript_program.h"

#include <ATen/core/ivalue.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/serialization/import.h>

#include <stdexcept>

#include "core/errors.h"
#include "runtime/insert_hooks.h"
#include "runtime/layer_hook.h"
#include "runtime/pack_linear.h"

namespace safeasr::runtime {
namespace {

std::unique_ptr<torch::jit::Module> LoadFrozen(const std::string& path, at::Device device,
                                               bool pack_weights) {
  // Weights must be inference tensors of nobody's autograd graph.
  const c10::InferenceMode inference_mode;
  auto module = std::make_unique<torch::jit::Module>(torch::jit::load(path, device));
  module->eval();
  *module = torch::jit::freeze_module(*module);
  const auto graph = module->get_method("forward").graph();
  if (pack_weights && device.is_cpu()) PackLinearLayers(graph);
  InsertLayerHooks(graph);
  return module;
}

}  // namespace

TorchScriptProgram::TorchScriptProgram(const std::string& path, at::Device device,
                                       bool pack_weights) {
  try {
    module_ = LoadFrozen(path, device, pack_weights);
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
