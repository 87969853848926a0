// What a program gave, compared with what it has to give: programs come from files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace safeasr::runtime {

// A size that may be anything.
constexpr std::int64_t kAnySize = -1;

struct ExpectedOutput {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> sizes;  // of each dimension
};

// Throws core::Error(kInternal), which says what `program` returned and what was expected, unless
// the outputs are as many as expected, and each has its type and its sizes.
void CheckOutputs(const char* program, const std::vector<at::Tensor>& outputs,
                  const std::vector<ExpectedOutput>& expected);

// For checks of another kind: "float32 (3, 512)".
std::string Described(const at::Tensor& tensor);

// Throws the error that CheckOutputs throws.
[[noreturn]] void RefuseOutputs(const char* program, const std::vector<at::Tensor>& outputs,
                                const std::string& expected);

}  // namespace safeasr::runtime
