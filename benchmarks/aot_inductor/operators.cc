// safeasr's operators once more, for torch.export: it takes no operators without a dispatch key,
// and lists that an operator may write to (caches, which recordings have none of) keep Inductor
// from moving anything past it. Built and loaded by benchmarks/aot_inductor/networks.py.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <optional>
#include <vector>

namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

template <class Signature>
auto Find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

Tensor Attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads,
                 const Tensor& offsets) {
  using Signature = Tensor(const Tensor&, const Tensor&, const Tensor&, int64_t, const Tensor&,
                           const Tensor&, at::TensorList, const Tensor&, int64_t);
  static const auto op = Find<Signature>("safeasr::ragged_attention");
  return op.call(q, k, v, heads, offsets, offsets, {}, offsets, 0);
}

Tensor Memory(const Tensor& x, const Tensor& taps, int64_t left, const Tensor& offsets,
              const Maybe& residual) {
  using Signature = Tensor(const Tensor&, const Tensor&, int64_t, const Tensor&, const Maybe&,
                           at::TensorList, at::TensorList, int64_t);
  static const auto op = Find<Signature>("safeasr::ragged_memory");
  return op.call(x, taps, left, offsets, residual, {}, {}, 0);
}

Tensor Positions(const Tensor& positions, int64_t size) {
  static const auto op = Find<Tensor(const Tensor&, int64_t)>("safeasr::encode_positions");
  return op.call(positions, size);
}

Tensor Weights(const Tensor& x, const Tensor& weight, const Tensor& bias, double factor,
               double threshold) {
  using Signature = Tensor(const Tensor&, const Tensor&, const Tensor&, double, double);
  static const auto op = Find<Signature>("safeasr::cif_weights");
  return op.call(x, weight, bias, factor, threshold);
}

}  // namespace

TORCH_LIBRARY(safeasr_aot, library) {
  library.def("attention(Tensor q, Tensor k, Tensor v, int heads, Tensor offsets) -> Tensor");
  library.def(
      "memory(Tensor x, Tensor taps, int left, Tensor offsets, Tensor? residual) -> Tensor");
  library.def("positions(Tensor positions, int size) -> Tensor");
  library.def(
      "weights(Tensor x, Tensor weight, Tensor bias, float factor, float threshold) -> Tensor");
}

TORCH_LIBRARY_IMPL(safeasr_aot, CPU, library) {
  library.impl("attention", &Attention);
  library.impl("memory", &Memory);
  library.impl("positions", &Positions);
  library.impl("weights", &Weights);
}
