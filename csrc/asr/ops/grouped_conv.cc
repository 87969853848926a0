#include "asr/ops/grouped_conv.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <memory>

#include "asr/ops/plain_floats.h"
#include "kernels/grouped_conv_kernel.h"
#include "kernels/simd.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kVector = 16;  // channels, see LinearArgs

at::Tensor ByTensorOperations(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) {
  const std::int64_t groups = weight.size(0), kernel = weight.size(1);
  const at::Tensor as_torch_has_it = weight.permute({0, 3, 2, 1}).flatten(0, 1);
  const at::Tensor out =
      at::conv1d(x.t().unsqueeze(0), as_torch_has_it, bias, 1, kernel / 2, 1, groups);
  return out.squeeze(0).narrow(1, 0, x.size(0)).t();
}

}  // namespace

at::Tensor GroupedConv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 4 && weight.size(1) > 0 &&
                  weight.size(2) == weight.size(3) &&
                  weight.size(0) * weight.size(2) == x.size(1) && bias.dim() == 1 &&
                  bias.size(0) == x.size(1),
              "grouped_conv expects x (rows, size), weight (groups, kernel, size / groups, size / "
              "groups) and bias (size), got ",
              x.sizes(), ", ", weight.sizes(), " and ", bias.sizes());
  const std::int64_t rows = x.size(0), size = x.size(1), groups = weight.size(0);
  const std::int64_t kernel = weight.size(1), channels = weight.size(2);
  if (rows == 0) return at::empty_like(x);
  if (!PlainFloats(x) || !PlainFloats(weight) || !PlainFloats(bias) || channels % kVector != 0) {
    return ByTensorOperations(x, weight, bias);
  }
  at::Tensor out = at::empty_like(x);
  at::parallel_for(0, groups, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<float[]> scratch(new float[(rows + kernel - 1) * channels]);
    for (std::int64_t group = begin; group < end; ++group) {
      const std::int64_t channel = group * channels;
      kernels::ConvolveGroup(
          {x.data_ptr<float>() + channel, rows, size, channels, kernel / 2, kernel,
           weight.data_ptr<float>() + channel * kernel * channels, bias.data_ptr<float>() + channel,
           out.data_ptr<float>() + channel, scratch.get()},
          kernels::SimdLanes());
    }
  });
  return out;
}

}  // namespace safeasr::asr
