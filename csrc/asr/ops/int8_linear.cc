#include "asr/ops/int8_linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <string>

#include "kernels/int8_kernel.h"
#include "kernels/simd.h"

namespace safeasr::asr {
namespace {

// Rows at a time: their products, in float32, stay in the cache until they are made small again.
constexpr std::int64_t kRowsTogether = 128;
constexpr std::int64_t kWorthOneMoreThread = 32;  // rows

// (rows, in) uint8 times the packed weight, in the weight's units: (rows, out) float32.
at::Tensor Products(const at::Tensor& q, const at::Tensor& packed, const at::Tensor& scale,
                    const at::Tensor& no_zero_points) {
  static const c10::OperatorHandle qlinear =
      c10::Dispatcher::singleton().findSchemaOrThrow("onednn::qlinear_pointwise", "");
  torch::jit::Stack stack;
  stack.reserve(13);
  for (c10::IValue value :
       {c10::IValue(q), c10::IValue(1.0), c10::IValue(std::int64_t{0}), c10::IValue(packed),
        c10::IValue(scale), c10::IValue(no_zero_points), c10::IValue(), c10::IValue(1.0),
        c10::IValue(std::int64_t{0}), c10::IValue(at::kFloat), c10::IValue(std::string("none")),
        c10::IValue(c10::List<std::optional<at::Scalar>>()), c10::IValue(std::string())}) {
    stack.push_back(std::move(value));
  }
  qlinear.callBoxed(&stack);
  return std::move(stack.front()).toTensor();
}

}  // namespace

at::Tensor Int8LinearPacked(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scale,
                            const at::Tensor& sums, const at::Tensor& no_zero_points,
                            const std::optional<at::Tensor>& bias, bool relu) {
  const bool narrow = x.scalar_type() == at::kBFloat16;
  TORCH_CHECK(x.dim() == 2 && x.is_contiguous() && (narrow || x.scalar_type() == at::kFloat),
              "int8_linear expects x (rows, in), without gaps, float32 or bfloat16, got ",
              x.sizes(), " ", x.scalar_type());
  const std::int64_t in = x.size(1), out_size = scale.size(0);
  const auto of_outputs = [out_size](const at::Tensor& t, at::ScalarType type) {
    return t.dim() == 1 && t.size(0) == out_size && t.is_contiguous() && t.scalar_type() == type;
  };
  TORCH_CHECK(packed.dim() == 2 && packed.size(0) == in && packed.size(1) == out_size &&
                  of_outputs(sums, at::kFloat) && of_outputs(no_zero_points, at::kInt) &&
                  (!bias || of_outputs(*bias, at::kFloat)),
              "int8_linear expects a packed weight (", in, ", ", out_size,
              "), and sums, zero points and bias of the outputs, got ", packed.sizes(), ", ",
              sums.sizes(), " and ", no_zero_points.sizes());
  const at::Tensor out = at::empty({x.size(0), out_size}, at::kBFloat16);
  const std::int64_t most = std::min(kRowsTogether, x.size(0));
  const at::Tensor q = at::empty({most, in}, at::kByte);
  const at::Tensor parameters = at::empty({2, most}, at::kFloat);
  float* scales = parameters.data_ptr<float>();
  float* zero_points = scales + most;
  for (std::int64_t first = 0; first < x.size(0); first += kRowsTogether) {
    const std::int64_t rows = std::min(kRowsTogether, x.size(0) - first);
    const char* from = static_cast<const char*>(x.data_ptr()) + first * in * x.element_size();
    at::parallel_for(0, rows, kWorthOneMoreThread, [&](std::int64_t begin, std::int64_t end) {
      kernels::Quantize(
          {from + begin * in * x.element_size(), narrow, end - begin, in,
           q.data_ptr<std::uint8_t>() + begin * in, scales + begin, zero_points + begin},
          kernels::SimdLanes());
    });
    const at::Tensor products = Products(q.narrow(0, 0, rows), packed, scale, no_zero_points);
    at::parallel_for(0, rows, kWorthOneMoreThread, [&](std::int64_t begin, std::int64_t end) {
      kernels::Dequantize(
          {products.data_ptr<float>() + begin * out_size, scales + begin, zero_points + begin,
           sums.data_ptr<float>(), bias ? bias->data_ptr<float>() : nullptr, relu, end - begin,
           out_size, out.data_ptr<at::BFloat16>() + (first + begin) * out_size},
          kernels::SimdLanes());
    });
  }
  return out;
}

at::Tensor Int8Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                      const std::optional<at::Tensor>& bias, bool relu) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 2 && x.size(1) == weight.size(1) &&
                  weight.scalar_type() == at::kChar && scale.size(0) == weight.size(0),
              "int8_linear expects x (rows, in), weight (out, in) int8 and scale (out), got ",
              x.sizes(), ", ", weight.sizes(), " and ", scale.sizes());
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor low = wide.amin(1, true).clamp_max(0), high = wide.amax(1, true).clamp_min(0);
  const at::Tensor unit = ((high - low) / 255.0).clamp_min(1e-20);
  const at::Tensor rate = unit.reciprocal();
  const at::Tensor zero_point = at::floor(-low * rate + 0.5);
  const at::Tensor q = at::floor((wide * rate + (zero_point + 0.5)).clamp(0, 255));
  at::Tensor y = at::matmul(q - zero_point, weight.to(at::kFloat).t()) * unit * scale;
  if (bias) y = y + *bias;
  return (relu ? at::relu(y) : y).to(at::kBFloat16);
}

}  // namespace safeasr::asr
