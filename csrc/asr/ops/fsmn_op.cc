#include "asr/ops/fsmn_op.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "kernels/fsmn_filter.h"

namespace safeasr::asr {
namespace {

at::Tensor OnePass(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                   const at::Tensor& mask, const at::Tensor& residual) {
  const std::int64_t batch = x.size(0), frames = x.size(1), size = x.size(2);
  at::Tensor out = at::empty({batch, frames, size}, x.options());
  for (std::int64_t b = 0; b < batch; ++b) {
    const FsmnRows rows{
        x.data_ptr<float>() + b * x.stride(0),
        x.stride(1),
        mask.defined() ? mask.data_ptr<float>() + b * frames : nullptr,
        residual.defined() ? residual.data_ptr<float>() + b * residual.stride(0) : nullptr,
        residual.defined() ? residual.stride(1) : 0,
        out.data_ptr<float>() + b * frames * size,
        frames,
        size};
    constexpr std::int64_t kWorthAThread = 64;  // rows; below, starting a thread costs more
    at::parallel_for(0, frames, kWorthAThread, [&](std::int64_t begin, std::int64_t end) {
      FilterFsmnRows(rows, taps.data_ptr<float>(), taps.size(0), left, begin, end);
    });
  }
  return out;
}

at::Tensor ByTensorOperations(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                              const at::Tensor& mask, const at::Tensor& residual) {
  const at::Tensor v = mask.defined() ? x * mask : x;
  const at::Tensor padded = at::constant_pad_nd(v.transpose(1, 2), {left, taps.size(0) - 1 - left});
  const at::Tensor filtered = at::conv1d(
      padded, taps.t().unsqueeze(1), /*bias=*/at::Tensor(), /*stride=*/at::IntArrayRef{1},
      /*padding=*/at::IntArrayRef{0}, /*dilation=*/at::IntArrayRef{1},
      /*groups=*/x.size(2));
  const at::Tensor out = filtered.transpose(1, 2) + v;
  return residual.defined() ? out + residual : out;
}

bool Plain(const at::Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.stride(-1) == 1;
}

}  // namespace

at::Tensor FsmnMemory(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                      const std::optional<at::Tensor>& mask,
                      const std::optional<at::Tensor>& residual) {
  TORCH_CHECK(x.dim() == 3 && taps.dim() == 2 && taps.size(1) == x.size(2),
              "fsmn_memory expects x (batch, time, size) and taps (kernel, size), got ", x.sizes(),
              " and ", taps.sizes());
  TORCH_CHECK(left >= 0 && left < taps.size(0), "fsmn_memory: left is ", left, " of a kernel of ",
              taps.size(0));
  const at::Tensor m = mask ? mask->contiguous() : at::Tensor();
  const at::Tensor r = residual ? *residual : at::Tensor();
  TORCH_CHECK(!m.defined() || m.numel() == x.size(0) * x.size(1),
              "fsmn_memory expects a mask (batch, time, 1), got ", m.sizes());
  TORCH_CHECK(!r.defined() || r.sizes() == x.sizes(), "fsmn_memory expects a residual like x, got ",
              r.sizes());
  if (Plain(x) && Plain(taps) && taps.is_contiguous() && (!m.defined() || Plain(m)) &&
      (!r.defined() || Plain(r))) {
    return OnePass(x, taps, left, m, r);
  }
  return ByTensorOperations(x, taps, left, m, r);
}

}  // namespace safeasr::asr
