#include "runtime/cpu_features.h"

namespace safeasr::runtime {

bool CpuSupports(const std::string& precision) {
  if (precision == "float32") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (precision == "bfloat16") return __builtin_cpu_supports("avx512bf16");
  if (precision == "int8") return __builtin_cpu_supports("avx512vnni");
#endif
  return false;
}

}  // namespace safeasr::runtime
