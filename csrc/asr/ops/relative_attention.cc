#include "asr/ops/relative_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/relative_attention_kernel.h"
#include "kernels/simd.h"
#include "runtime/tensor_op_path.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using kernels::RelativeKind;

struct RelativeOperands {
  at::Tensor q, k, v, p;  // float32, channels adjacent
  at::Tensor content_bias, position_bias;
  std::int64_t heads;
  std::vector<std::int64_t> begins, lengths, firsts;  // of each utterance
  RelativeKind kind;
};

std::int64_t PositionsOf(std::int64_t rows, RelativeKind kind) {
  return kind == RelativeKind::kShifted ? rows : 2 * rows - 1;
}

at::Tensor WideRows(const at::Tensor& t) {
  const at::Tensor wide = t.to(at::kFloat);
  return wide.stride(-1) == 1 ? wide : wide.contiguous();
}

std::vector<std::int64_t> HostNumbers(const at::Tensor& t, const char* name) {
  TORCH_CHECK(
      t.device().is_cpu() && t.scalar_type() == at::kLong && t.dim() == 1 && t.is_contiguous(),
      "relative_attention expects ", name, " int64 on the CPU");
  return {t.data_ptr<std::int64_t>(), t.data_ptr<std::int64_t>() + t.size(0)};
}

at::Tensor RelativeOnTheCpu(const RelativeOperands& o) {
  const std::int64_t size = o.q.size(1), depth = size / o.heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(depth));
  at::Tensor out = at::empty({o.q.size(0), size}, at::kFloat);
  const std::int64_t used = o.begins.empty() ? 0 : o.begins.back() + o.lengths.back();
  out.narrow(0, used, o.q.size(0) - used).zero_();
  const auto tasks = static_cast<std::int64_t>(o.begins.size()) * o.heads;
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> scratch;
    for (std::int64_t task = begin; task < end; ++task) {
      const auto i = static_cast<std::size_t>(task / o.heads);
      const std::int64_t head = task % o.heads, channel = head * depth, rows = o.lengths[i];
      if (rows == 0) continue;
      scratch.resize(static_cast<std::size_t>(kernels::RelativeScratch(rows, depth, o.kind)));
      const auto at = [channel](const at::Tensor& t, std::int64_t row) {
        return t.data_ptr<float>() + row * t.stride(0) + channel;
      };
      kernels::AttendRelative(
          {at(o.q, o.begins[i]), at(o.k, o.begins[i]), at(o.v, o.begins[i]), o.q.stride(0),
           o.k.stride(0), o.v.stride(0), at(o.p, o.firsts[i]), o.p.stride(0),
           o.content_bias.data_ptr<float>() + channel, o.position_bias.data_ptr<float>() + channel,
           at(out, o.begins[i]), size, rows, depth, scale, o.kind, scratch.data()},
          kernels::SimdLanes());
    }
  });
  return out;
}

// All utterances at once, padded to the longest. Launches do not grow with their number.
at::Tensor RelativeByTensors(const RelativeOperands& o) {
  const at::Device device = o.q.device();
  const auto count = static_cast<std::int64_t>(o.begins.size());
  const std::int64_t size = o.q.size(1), depth = size / o.heads;
  const std::int64_t longest = *std::max_element(o.lengths.begin(), o.lengths.end());
  // Rows of the padded batch, and back; where a row of padding comes from does not matter.
  std::vector<std::int64_t> gather(static_cast<std::size_t>(count * longest), 0);
  std::vector<std::int64_t> scatter(static_cast<std::size_t>(o.q.size(0)), count * longest);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t t = 0; t < o.lengths[i]; ++t) {
      gather[i * longest + t] = o.begins[i] + t;
      scatter[o.begins[i] + t] = i * longest + t;
    }
  }
  runtime::IndexLists lists;
  lists.Add(gather);
  lists.Add(scatter);
  lists.Add(o.lengths);
  lists.Add(o.firsts);
  const std::vector<at::Tensor> numbers = lists.Upload(device);
  const auto padded = [&](const at::Tensor& rows) {
    return rows.index_select(0, numbers[0]).view({count, longest, o.heads, depth});
  };
  const at::Tensor q = padded(o.q);
  const at::Tensor k = padded(o.k).permute({0, 2, 3, 1}), v = padded(o.v).transpose(1, 2);
  const at::Tensor by_content = at::matmul((q + o.content_bias).transpose(1, 2), k);
  const at::Tensor turned = o.p.view({o.p.size(0), o.heads, depth}).permute({1, 2, 0});
  // (count, heads, longest, positions)
  const at::Tensor by_row = at::matmul((q + o.position_bias).transpose(1, 2), turned);

  const auto options = numbers[0].options();
  const at::Tensor rows = numbers[2].view({-1, 1, 1}), firsts = numbers[3].view({-1, 1, 1});
  const at::Tensor i = at::arange(longest, options).view({1, -1, 1});
  const at::Tensor j = at::arange(longest, options).view({1, 1, -1});
  const std::int64_t last = o.p.size(0) - 1;
  const auto chosen = [&](const at::Tensor& from, const at::Tensor& position) {
    const at::Tensor index = position.clamp(0, last).unsqueeze(1);
    return from.gather(3, index.expand({count, o.heads, longest, longest}));
  };
  at::Tensor by_position = chosen(by_row, firsts + rows - 1 - i + j);
  if (o.kind == RelativeKind::kShifted) {
    const at::Tensor next = at::cat({by_row.narrow(2, 1, longest - 1), by_row.narrow(2, 0, 1)}, 2);
    const at::Tensor later = chosen(next, (firsts + j - i - 2).expand({count, longest, longest}));
    const at::Tensor ahead = (j - i).unsqueeze(1);
    by_position = at::where(ahead <= 0, by_position, at::where(ahead == 1, 0.0f, later));
  }
  const at::Tensor scores = (by_content + by_position) * (1.0 / std::sqrt(double(depth)));
  const at::Tensor outside = (j >= rows).unsqueeze(1);
  const at::Tensor weights =
      at::softmax(scores.masked_fill(outside, -std::numeric_limits<float>::infinity()), -1);
  const at::Tensor sums = at::matmul(weights, v).transpose(1, 2).reshape({count * longest, size});
  // A row of zeros behind them is what padding gets.
  return at::cat({sums, at::zeros({1, size}, sums.options())}).index_select(0, numbers[1]);
}

}  // namespace

at::Tensor RelativeAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& p, const at::Tensor& content_bias,
                             const at::Tensor& position_bias, std::int64_t heads,
                             const at::Tensor& offsets, const at::Tensor& firsts, bool shifted) {
  TORCH_CHECK(q.dim() == 2 && q.sizes() == k.sizes() && k.sizes() == v.sizes() && p.dim() == 2 &&
                  p.size(1) == q.size(1) && heads > 0 && q.size(1) % heads == 0,
              "relative_attention expects q, k, v (rows, size) and p (positions, size) of ", heads,
              " heads, got ", q.sizes(), ", ", k.sizes(), ", ", v.sizes(), " and ", p.sizes());
  for (const at::Tensor* bias : {&content_bias, &position_bias}) {
    TORCH_CHECK(bias->dim() == 2 && bias->size(0) == heads && bias->numel() == q.size(1) &&
                    bias->scalar_type() == at::kFloat && bias->is_contiguous(),
                "relative_attention expects biases (heads, size / heads) float32, got ",
                bias->sizes());
  }
  const std::vector<std::int64_t> bounds = HostNumbers(offsets, "offsets (utterances + 1)");
  RelativeOperands o{WideRows(q),
                     WideRows(k),
                     WideRows(v),
                     WideRows(p),
                     content_bias,
                     position_bias,
                     heads,
                     {},
                     {},
                     HostNumbers(firsts, "firsts (utterances)"),
                     shifted ? RelativeKind::kShifted : RelativeKind::kByDistance};
  TORCH_CHECK(bounds.size() == o.firsts.size() + 1 && bounds.front() == 0 &&
                  bounds.back() <= q.size(0) && std::is_sorted(bounds.begin(), bounds.end()),
              "relative_attention: offsets must rise from 0, at most to ", q.size(0));
  for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
    o.begins.push_back(bounds[i]);
    o.lengths.push_back(bounds[i + 1] - bounds[i]);
    TORCH_CHECK(o.lengths[i] == 0 || (o.firsts[i] >= 0 &&
                                      o.firsts[i] + PositionsOf(o.lengths[i], o.kind) <= p.size(0)),
                "relative_attention: utterance ", i, " of ", o.lengths[i], " rows has no positions",
                " from ", o.firsts[i], " on");
  }
  if (bounds.back() == 0) return at::zeros_like(q);
  const at::Tensor out =
      runtime::TakesTensorOpPath(q.device()) ? RelativeByTensors(o) : RelativeOnTheCpu(o);
  return out.to(q.scalar_type());
}

}  // namespace safeasr::asr
