#include "asr/ops/row_ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "asr/ops/plain_floats.h"
#include "kernels/gelu_kernel.h"
#include "kernels/simd.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kNumbersWorthAThread = 1 << 14;
constexpr float kLog10000 = 9.210340371976184f;

// In double, so that the order of adding is no part of the answer.
float Dot(const float* a, const float* b, std::int64_t size) {
  double sum = 0;
  for (std::int64_t i = 0; i < size; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

}  // namespace

at::Tensor EncodePositions(const at::Tensor& positions, std::int64_t size) {
  TORCH_CHECK(positions.dim() == 1 && size >= 4 && size % 2 == 0,
              "encode_positions expects positions (rows) and an even size, got ", positions.sizes(),
              " and ", size);
  const std::int64_t half = size / 2;
  const float step = kLog10000 / static_cast<float>(half - 1);
  if (!PlainFloats(positions)) {
    const at::Tensor rates = at::exp(at::arange(half, positions.options()) * -step);
    const at::Tensor angles = positions.unsqueeze(1) * rates.unsqueeze(0);
    return at::cat({at::sin(angles), at::cos(angles)}, 1);
  }
  std::vector<float> rates(static_cast<std::size_t>(half));
  for (std::int64_t i = 0; i < half; ++i) rates[i] = std::exp(static_cast<float>(i) * -step);
  at::Tensor out = at::empty({positions.size(0), size}, at::kFloat);
  float* row = out.data_ptr<float>();
  const float* position = positions.data_ptr<float>();
  for (std::int64_t t = 0; t < positions.size(0); ++t, row += size) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float angle = position[t] * rates[i];
      row[i] = std::sin(angle);
      row[half + i] = std::cos(angle);
    }
  }
  return out;
}

at::Tensor EncodeDistances(const at::Tensor& positions, const at::Tensor& rates) {
  TORCH_CHECK(positions.dim() == 1 && rates.dim() == 1,
              "encode_distances expects positions (rows) and rates (size / 2), got ",
              positions.sizes(), " and ", rates.sizes());
  const std::int64_t rows = positions.size(0), half = rates.size(0);
  if (!PlainFloats(positions) || !PlainFloats(rates)) {
    const at::Tensor angles = positions.unsqueeze(1) * rates.unsqueeze(0);
    return at::stack({at::sin(angles), at::cos(angles)}, 2).view({rows, 2 * half});
  }
  at::Tensor out = at::empty({rows, 2 * half}, at::kFloat);
  float* to = out.data_ptr<float>();
  const float* position = positions.data_ptr<float>();
  const float* rate = rates.data_ptr<float>();
  for (std::int64_t t = 0; t < rows; ++t) {
    for (std::int64_t i = 0; i < half; ++i) {
      const float angle = position[t] * rate[i];
      *to++ = std::sin(angle);
      *to++ = std::cos(angle);
    }
  }
  return out;
}

at::Tensor CifRowWeights(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         double smooth_factor, double noise_threshold) {
  TORCH_CHECK(x.dim() == 2 && weight.numel() == x.size(1) && bias.numel() == 1,
              "cif_weights expects x (rows, size), weight (1, size) and bias (1), got ", x.sizes(),
              ", ", weight.sizes(), " and ", bias.sizes());
  if (!PlainFloats(x) || !PlainFloats(weight) || !PlainFloats(bias)) {
    const at::Tensor alphas = at::sigmoid(at::linear(x, weight.view({1, -1}), bias)).squeeze(1);
    return at::relu(alphas * smooth_factor - noise_threshold);
  }
  at::Tensor out = at::empty({x.size(0)}, at::kFloat);
  const auto smooth = static_cast<float>(smooth_factor),
             noise = static_cast<float>(noise_threshold);
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    const float score = bias.data_ptr<float>()[0] + Dot(x.data_ptr<float>() + t * x.size(1),
                                                        weight.data_ptr<float>(), x.size(1));
    const float alpha = 1.0f / (1.0f + std::exp(-score));
    out.data_ptr<float>()[t] = std::max(alpha * smooth - noise, 0.0f);
  }
  return out;
}

at::Tensor Gelu(at::Tensor x) {
  const bool narrow = x.scalar_type() == at::kBFloat16;
  if (runtime::TakesTensorOpPath(x.device()) || !x.is_contiguous() ||
      (!narrow && x.scalar_type() != at::kFloat)) {
    return at::gelu_(x);
  }
  char* const first = static_cast<char*>(x.data_ptr());
  at::parallel_for(0, x.numel(), kNumbersWorthAThread, [&](std::int64_t begin, std::int64_t end) {
    kernels::Gelu({first + begin * x.element_size(), narrow, end - begin}, kernels::SimdLanes());
  });
  return x;
}

}  // namespace safeasr::asr
