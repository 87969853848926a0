// GELU (Hendrycks and Gimpel, 2016), by the error function.
#pragma once

#include <cstdint>

namespace safeasr::kernels {

// `count` numbers that become their GELU where they are: bfloat16 if narrow, else float.
struct GeluArgs {
  void* x;
  bool narrow;
  std::int64_t count;
};

// Off by 4e-7 at most, and computed alike wherever a number stands. lanes: of SimdLanes().
void Gelu(const GeluArgs& args, int lanes);

}  // namespace safeasr::kernels
