#include "asr/ragged_memory.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "asr/fsmn_filter.h"
#include "asr/fsmn_op.h"

namespace safeasr::asr {
namespace {

bool Plain(const at::Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.stride(-1) == 1;
}

// A stream's rows with those before them, filtered; the newest rows are kept for the next step.
void FilterWithPast(const FsmnRows& rows, const float* taps, std::int64_t kernel, const float* past,
                    float* next) {
  const std::int64_t kept = kernel - 1, size = rows.size;
  std::vector<float> all((kept + rows.frames) * size), out(all.size());
  std::copy(past, past + kept * size, all.begin());
  for (std::int64_t t = 0; t < rows.frames; ++t) {
    std::copy_n(rows.x + t * rows.x_stride, size, all.begin() + (kept + t) * size);
  }
  const FsmnRows longer{all.data(),         size, nullptr, nullptr, 0, out.data(),
                        kept + rows.frames, size};
  FilterFsmnRows(longer, taps, kernel, /*left=*/kept, /*begin=*/kept, /*end=*/longer.frames);
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
      const FsmnRows rows{
          x.data_ptr<float>() + first * x.stride(0),
          x.stride(0),
          /*mask=*/nullptr,
          residual.defined() ? residual.data_ptr<float>() + first * residual.stride(0) : nullptr,
          residual.defined() ? residual.stride(0) : 0,
          out.data_ptr<float>() + first * size,
          offsets[i + 1] - first,
          size};
      if (past.empty()) {
        FilterFsmnRows(rows, taps.data_ptr<float>(), kernel, left, 0, rows.frames);
      } else {
        const std::int64_t at = layer * (kernel - 1) * size;
        FilterWithPast(rows, taps.data_ptr<float>(), kernel, past[i].data_ptr<float>() + at,
                       next[i].data_ptr<float>() + at);
      }
    }
  });
  return out;
}

// Stream by stream: what devices without a kernel of their own run.
at::Tensor ByTensorOperations(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                              const std::int64_t* offsets, std::int64_t streams,
                              const at::Tensor& residual, at::TensorList past, at::TensorList next,
                              std::int64_t layer) {
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < streams; ++i) {
    const std::int64_t count = offsets[i + 1] - offsets[i];
    if (count == 0) {  // a convolution refuses nothing
      if (!past.empty()) next[i][layer].copy_(past[i][layer]);
      continue;
    }
    at::Tensor rows = x.narrow(0, offsets[i], count);
    if (!past.empty()) rows = at::cat({past[i][layer], rows});
    at::Tensor filtered =
        FsmnMemory(rows.unsqueeze(0), taps, left, std::nullopt, std::nullopt).squeeze(0);
    if (!past.empty()) {
      next[i][layer].copy_(rows.narrow(0, count, taps.size(0) - 1));
      filtered = filtered.narrow(0, taps.size(0) - 1, count);
    }
    parts.push_back(filtered);
  }
  at::Tensor out = parts.empty() ? x.narrow(0, 0, 0) : at::cat(parts);
  if (residual.defined()) out = out + residual.narrow(0, 0, offsets[streams]);
  return at::cat({out, at::zeros({x.size(0) - offsets[streams], x.size(1)}, x.options())});
}

}  // namespace

at::Tensor RaggedMemory(const at::Tensor& given, const at::Tensor& taps, std::int64_t left,
                        const at::Tensor& offsets, const std::optional<at::Tensor>& residual,
                        at::TensorList past, at::TensorList next, std::int64_t layer) {
  const at::Tensor x = given.scalar_type() == at::kBFloat16 ? given.to(at::kFloat) : given;
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
  TORCH_CHECK(past.size() == next.size() &&
                  (past.empty() || static_cast<std::int64_t>(past.size()) == streams),
              "ragged_memory expects one past and one next a stream, or none, got ", past.size(),
              " and ", next.size(), " for ", streams, " streams");
  bool plain = Plain(x) && Plain(taps) && taps.is_contiguous() && (!r.defined() || Plain(r));
  for (std::size_t i = 0; i < past.size(); ++i) {
    for (const at::Tensor& state : {past[i], next[i]}) {
      TORCH_CHECK(state.dim() == 3 && layer >= 0 && layer < state.size(0) &&
                      state.size(1) == taps.size(0) - 1 && state.size(2) == x.size(1) &&
                      state.is_contiguous() && state.scalar_type() == x.scalar_type(),
                  "ragged_memory expects past and next (layers, ", taps.size(0) - 1, ", ",
                  x.size(1), ") of x's type, got ", state.sizes());
      plain = plain && Plain(state);
    }
  }
  TORCH_CHECK(past.empty() || left == taps.size(0) - 1,
              "ragged_memory: with a past, the memory may not see the future");
  const auto run = plain ? OnTheCpu : ByTensorOperations;
  return run(x, taps, left, first, streams, r, past, next, layer);
}

}  // namespace safeasr::asr
