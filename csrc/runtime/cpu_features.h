// What the processor can compute in.
#pragma once

#include <string>

namespace safeasr::runtime {

// Whether linear layers in "float32", "bfloat16" or "int8" have instructions of their own here.
// Without them oneDNN would emulate: slower than float32, and less exact.
bool CpuSupports(const std::string& precision);

}  // namespace safeasr::runtime
