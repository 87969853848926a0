#include "asr/ops/norm_op.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/norm_kernel.h"
#include "kernels/simd.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kRowsWorthAThread = 32;

bool Narrow(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }

bool ByKernel(const at::Tensor& t) {
  return !runtime::TakesTensorOpPath(t.device()) && t.is_contiguous() &&
         (t.scalar_type() == at::kFloat || Narrow(t));
}

void Check(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 1 && weight.size(0) == x.size(1) &&
                  bias.sizes() == weight.sizes() && weight.scalar_type() == at::kFloat &&
                  bias.scalar_type() == at::kFloat,
              "norm expects x (rows, size) and float32 weight and bias (size), got ", x.sizes(),
              ", ", weight.sizes(), " and ", bias.sizes());
}

at::Tensor ByTensorOperations(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              double epsilon, bool narrow, bool half) {
  const at::Tensor out = at::layer_norm(x.to(at::kFloat), {x.size(1)}, weight, bias, epsilon);
  return narrow ? out.to(half ? at::kHalf : at::kBFloat16) : out;
}

}  // namespace

at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                double epsilon, bool narrow, bool half) {
  Check(x, weight, bias);
  if ((narrow && half) || !ByKernel(x) || !ByKernel(weight) || !ByKernel(bias)) {
    return ByTensorOperations(x, weight, bias, epsilon, narrow, half);
  }
  const std::int64_t size = x.size(1);
  const at::Tensor out = at::empty(x.sizes(), narrow ? at::kBFloat16 : at::kFloat);
  const auto row = [size](const at::Tensor& t, std::int64_t r) {
    return static_cast<char*>(t.data_ptr()) + r * size * t.element_size();
  };
  const float* w = weight.data_ptr<float>();
  const float* b = bias.data_ptr<float>();
  at::parallel_for(0, x.size(0), kRowsWorthAThread, [&](std::int64_t begin, std::int64_t end) {
    if (Narrow(x)) {
      return kernels::NormalizeRows(
          kernels::NarrowNormRows{row(x, begin), w, b, static_cast<float>(epsilon), row(out, begin),
                                  narrow, end - begin, size},
          kernels::SimdLanes());
    }
    kernels::NormalizeRows(
        kernels::NormRows{x.data_ptr<float>() + begin * size, nullptr, false, nullptr, w, b,
                          static_cast<float>(epsilon), row(out, begin), narrow, end - begin, size},
        kernels::SimdLanes());
  });
  return out;
}

std::tuple<at::Tensor, at::Tensor> AddNorm(const at::Tensor& x, const at::Tensor& update,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           double epsilon, bool narrow, bool half) {
  Check(x, weight, bias);
  TORCH_CHECK(x.sizes() == update.sizes() && x.scalar_type() == at::kFloat,
              "add_norm expects float32 x and an update of its shape, got ", x.sizes(), " and ",
              update.sizes());
  if ((narrow && half) || !ByKernel(x) || !ByKernel(update) || !ByKernel(weight) ||
      !ByKernel(bias)) {
    const at::Tensor sum = x + update;
    return {sum, ByTensorOperations(sum, weight, bias, epsilon, narrow, half)};
  }
  const std::int64_t size = x.size(1);
  const at::Tensor sum = at::empty_like(x);
  const at::Tensor out = at::empty(x.sizes(), narrow ? at::kBFloat16 : at::kFloat);
  const auto row = [size](const at::Tensor& t, std::int64_t r) {
    return static_cast<char*>(t.data_ptr()) + r * size * t.element_size();
  };
  at::parallel_for(0, x.size(0), kRowsWorthAThread, [&](std::int64_t begin, std::int64_t end) {
    kernels::NormalizeRows(
        kernels::NormRows{x.data_ptr<float>() + begin * size, row(update, begin), Narrow(update),
                          sum.data_ptr<float>() + begin * size, weight.data_ptr<float>(),
                          bias.data_ptr<float>(), static_cast<float>(epsilon), row(out, begin),
                          narrow, end - begin, size},
        kernels::SimdLanes());
  });
  return {sum, out};
}

}  // namespace safeasr::asr
