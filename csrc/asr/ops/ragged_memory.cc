#include "asr/ops/ragged_memory.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "asr/ops/device/device_memory.h"
#include "kernels/fsmn_filter.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

bool FiltersByKernel(const at::Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.stride(-1) == 1;
}

// A stream's rows with those before them, filtered; the newest rows are kept for the next step.
void FilterWithPast(const kernels::FsmnRows& rows, const float* taps, std::int64_t kernel,
                    const float* past, float* next) {
  const std::int64_t kept = kernel - 1, size = rows.size;
  std::vector<float> all((kept + rows.frames) * size), out(all.size());
  std::copy(past, past + kept * size, all.begin());
  for (std::int64_t t = 0; t < rows.frames; ++t) {
    std::copy_n(rows.x + t * rows.x_stride, size, all.begin() + (kept + t) * size);
  }
  const kernels::FsmnRows longer{all.data(),         size, nullptr, 0, out.data(),
                                 kept + rows.frames, size};
  kernels::FilterFsmnRows(longer, taps, kernel, /*left=*/kept, /*begin=*/kept,
                          /*end=*/longer.frames);
  for (std::int64_t t = 0; t < rows.frames; ++t) {
    const float* from = out.data() + (kept + t) * size;
    float* to = rows.out + t * size;
    if (rows.residual == nullptr) {
      std::copy_n(from, size, to);
    } else {
      const float* r = rows.residual + t * rows.residual_stride;
      for (std::int64_t i = 0; i < size; ++i) to[i] = from[i] + r[i];
    }
  }
  std::copy_n(all.data() + rows.frames * size, kept * size, next);
}

at::Tensor OnTheCpu(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                    const std::int64_t* offsets, std::int64_t streams, const at::Tensor& residual,
                    at::TensorList past, at::TensorList next, std::int64_t layer) {
  const std::int64_t size = x.size(1), kernel = taps.size(0);
  at::Tensor out = at::empty({x.size(0), size}, x.options());
  out.narrow(0, offsets[streams], x.size(0) - offsets[streams]).zero_();
  at::parallel_for(0, streams, /*grain_size=*/4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = offsets[i];
      const kernels::FsmnRows rows{
          x.data_ptr<float>() + first * x.stride(0),
          x.stride(0),
          residual.defined() ? residual.data_ptr<float>() + first * residual.stride(0) : nullptr,
          residual.defined() ? residual.stride(0) : 0,
          out.data_ptr<float>() + first * size,
          offsets[i + 1] - first,
          size};
      if (past.empty()) {
        kernels::FilterFsmnRows(rows, taps.data_ptr<float>(), kernel, left, 0, rows.frames);
      } else {
        const std::int64_t at = layer * (kernel - 1) * size;
        FilterWithPast(rows, taps.data_ptr<float>(), kernel, past[i].data_ptr<float>() + at,
                       next[i].data_ptr<float>() + at);
      }
    }
  });
  return out;
}

}  // namespace

at::Tensor RaggedMemory(const at::Tensor& given, const at::Tensor& taps, std::int64_t left,
                        const at::Tensor& offsets, const std::optional<at::Tensor>& residual,
                        at::TensorList past, at::TensorList next, std::int64_t layer) {
  const bool tensor_op_path = runtime::TakesTensorOpPath(given.device());
  const bool narrow = given.scalar_type() == at::kBFloat16 || given.scalar_type() == at::kHalf;
  // On a device it is widened where it is copied anyway.
  const at::Tensor x = narrow && !tensor_op_path ? given.to(at::kFloat) : given;
  TORCH_CHECK(x.dim() == 2 && taps.dim() == 2 && taps.size(1) == x.size(1),
              "ragged_memory expects x (rows, size) and taps (kernel, size), got ", x.sizes(),
              " and ", taps.sizes());
  TORCH_CHECK(left >= 0 && left < taps.size(0), "ragged_memory: left is ", left, " of a kernel of ",
              taps.size(0));
  const at::Tensor r = residual ? *residual : at::Tensor();
  TORCH_CHECK(!r.defined() || r.sizes() == x.sizes(),
              "ragged_memory expects a residual like x, got ", r.sizes());
  TORCH_CHECK(offsets.device().is_cpu() && offsets.scalar_type() == at::kLong &&
                  offsets.dim() == 1 && offsets.size(0) >= 1 && offsets.is_contiguous(),
              "ragged_memory expects offsets (streams + 1) int64 on the CPU");
  const std::int64_t streams = offsets.size(0) - 1;
  const std::int64_t* first = offsets.data_ptr<std::int64_t>();
  TORCH_CHECK(
      first[0] == 0 && first[streams] <= x.size(0) && std::is_sorted(first, first + streams + 1),
      "ragged_memory: offsets must rise from 0, at most to ", x.size(0));
  const auto states = static_cast<std::int64_t>(past.size());
  TORCH_CHECK(past.size() == next.size() && (states <= 1 || states == streams),
              "ragged_memory expects one past and one next a stream or for all, or none, got ",
              past.size(), " and ", next.size(), " for ", streams, " streams");
  const std::int64_t in_one = states == 1 ? streams : 1;
  bool plain = !tensor_op_path && in_one == 1 && FiltersByKernel(x) && FiltersByKernel(taps) &&
               taps.is_contiguous() && (!r.defined() || FiltersByKernel(r));
  for (std::size_t i = 0; i < past.size(); ++i) {
    for (const at::Tensor& state : {past[i], next[i]}) {
      TORCH_CHECK(state.dim() == 3 && layer >= 0 && layer < state.size(0) &&
                      state.size(1) == in_one * (taps.size(0) - 1) && state.size(2) == x.size(1) &&
                      state.is_contiguous() && state.scalar_type() == taps.scalar_type(),
                  "ragged_memory expects ",
                  in_one > 1 ? "one past and one next a stream, or for all" : "past and next",
                  " (layers, ", in_one * (taps.size(0) - 1), ", ", x.size(1),
                  ") of the taps' type, got ", state.sizes());
      plain = plain && FiltersByKernel(state);
    }
  }
  TORCH_CHECK(past.empty() || left == taps.size(0) - 1,
              "ragged_memory: with a past, the memory may not see the future");
  if (plain) return OnTheCpu(x, taps, left, first, streams, r, past, next, layer);
  return RememberOnDevice({x, taps, left, offsets, r, past, next, layer});
}

}  // namespace safeasr::asr
