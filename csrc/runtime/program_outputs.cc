#include "runtime/program_outputs.h"

#include <ATen/ATen.h>

#include "core/errors.h"

namespace safeasr::runtime {
namespace {

std::string Name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    case at::kBool:
      return "bool";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return c10::toString(type);
  }
}

std::string Sizes(at::IntArrayRef sizes) {
  std::string text = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ", ";
    text += sizes[i] == kAnySize ? "any" : std::to_string(sizes[i]);
  }
  return text + ")";
}

bool Fits(const at::Tensor& tensor, const ExpectedOutput& expected) {
  if (tensor.scalar_type() != expected.type) return false;
  if (tensor.dim() != static_cast<std::int64_t>(expected.sizes.size())) return false;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    const std::int64_t size = expected.sizes[static_cast<std::size_t>(i)];
    if (size != kAnySize && size != tensor.size(i)) return false;
  }
  return true;
}

}  // namespace

std::string Described(const at::Tensor& tensor) {
  return Name(tensor.scalar_type()) + " " + Sizes(tensor.sizes());
}

void RefuseOutputs(const char* program, const std::vector<at::Tensor>& outputs,
                   const std::string& expected) {
  std::string given;
  for (const at::Tensor& output : outputs) {
    if (!given.empty()) given += ", ";
    given += Described(output);
  }
  throw core::Error(core::ErrorKind::kInternal, std::string("the program '") + program +
                                                    "' returned " +
                                                    (given.empty() ? "nothing" : given) +
                                                    " where it should return " + expected);
}

void CheckOutputs(const char* program, const std::vector<at::Tensor>& outputs,
                  const std::vector<ExpectedOutput>& expected) {
  bool good = outputs.size() == expected.size();
  for (std::size_t i = 0; good && i < outputs.size(); ++i) good = Fits(outputs[i], expected[i]);
  if (good) return;
  std::string wanted;
  for (const ExpectedOutput& one : expected) {
    if (!wanted.empty()) wanted += ", ";
    wanted += one.name + " " + Name(one.type) + " " + Sizes(one.sizes);
  }
  RefuseOutputs(program, outputs, wanted);
}

}  // namespace safeasr::runtime
