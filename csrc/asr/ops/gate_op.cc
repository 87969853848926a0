#include "asr/ops/gate_op.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/gate_kernel.h"
#include "kernels/simd.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kGateRows = 32;

bool GatesByKernel(const at::Tensor& x) { return !runtime::TakesTensorOpPath(x.device()); }

at::Tensor GateRowsOf(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kFloat);
  return wide.stride(1) == 1 ? wide : wide.contiguous();
}

}  // namespace

at::Tensor Gate(const at::Tensor& x, const at::Tensor& by) {
  TORCH_CHECK(x.dim() == 2 && x.sizes() == by.sizes() && x.scalar_type() == by.scalar_type(),
              "gate expects x and by (rows, size) of one type, got ", x.sizes(), " and ",
              by.sizes());
  if (!GatesByKernel(x)) {
    return (x.to(at::kFloat) * at::sigmoid(by.to(at::kFloat))).to(x.scalar_type());
  }
  const at::Tensor values = GateRowsOf(x), gates = x.is_same(by) ? values : GateRowsOf(by);
  const std::int64_t size = x.size(1);
  const at::Tensor out = at::empty(x.sizes(), at::kFloat);
  at::parallel_for(0, x.size(0), kGateRows, [&](std::int64_t begin, std::int64_t end) {
    kernels::Gate({values.data_ptr<float>() + begin * values.stride(0), values.stride(0),
                   gates.data_ptr<float>() + begin * gates.stride(0), gates.stride(0),
                   out.data_ptr<float>() + begin * size, end - begin, size},
                  kernels::SimdLanes());
  });
  return out.to(x.scalar_type());
}

}  // namespace safeasr::asr
