#include "idle.h"

#include <ATen/ATen.h>

#include <vector>

namespace fake_cuda {

using torch::jit::Stack;

void MakeUp(const at::Tensor& on_host) {
  if (on_host.is_floating_point()) {
    on_host.fill_(0.25);
  } else {
    on_host.fill_(5);
  }
}

at::Tensor LikeConvolved(const Stack& given) {
  const at::Tensor input = given[0].toTensor(), weight = given[1].toTensor();
  TORCH_CHECK(input.dim() == 3, "the idle fake CUDA convolves in one dimension");
  const auto number = [&](std::size_t i) { return given[i].toIntVector().front(); };
  const std::int64_t stride = number(3), padding = number(4), dilation = number(5);
  const std::int64_t reach = dilation * (weight.size(2) - 1);
  const std::int64_t rows = (input.size(2) + 2 * padding - reach - 1) / stride + 1;
  return at::empty({input.size(0), weight.size(0), rows}, input.options());
}

at::Tensor LikeTransformed(const Stack& given) {
  const at::Tensor input = given[0].toTensor();
  std::vector<std::int64_t> sizes = input.sizes().vec();
  sizes.back() = sizes.back() / 2 + 1;
  return at::empty(sizes, input.options().dtype(c10::toComplexType(input.scalar_type())));
}

}  // namespace fake_cuda
