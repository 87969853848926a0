#include "asr/ops/device/device_memory.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "asr/ops/device/plan_memo.h"
#include "runtime/graph_lists.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using Rows = std::vector<std::int64_t>;

// How rows are laid out so that one convolution filters all streams: each among rows that are
// zero, or behind its past.
struct MemoryPlan {
  at::Tensor laid_out;  // rows of the sources: x, then a row of zeros or the past of all streams
  at::Tensor back;      // (streams' rows) each one's row in what the convolution gives
  at::Tensor kept;      // (streams * (kernel - 1)) rows of the sources: the next past
  at::Tensor identity;  // (kernel, 1): 1 for the row itself
};

// What a plan is made from, beside the offsets.
struct Layout {
  std::int64_t kernel, left, rows;  // rows: of x
  bool with_past, roomy;            // roomy: lists as long as they can be for so many rows
};

Rows RowsOf(const at::Tensor& offsets) {
  const std::int64_t* first = offsets.data_ptr<std::int64_t>();
  return {first, first + offsets.size(0)};
}

runtime::IndexLists Lists(const Layout& layout, const Rows& offsets) {
  const std::int64_t kernel = layout.kernel, right = kernel - 1 - layout.left;
  // Behind a past there is no other way out of a stream than its own rows.
  const std::int64_t gap = std::max(layout.left, right), nothing = layout.rows;
  Rows laid_out(static_cast<std::size_t>(layout.with_past ? 0 : layout.left), nothing), back, kept;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::int64_t first = offsets[i], count = offsets[i + 1] - first;
    const auto past = nothing + static_cast<std::int64_t>(i) * (kernel - 1);
    for (std::int64_t t = 0; layout.with_past && t < kernel - 1; ++t) laid_out.push_back(past + t);
    for (std::int64_t t = 0; t < count; ++t) {
      back.push_back(static_cast<std::int64_t>(laid_out.size()) - layout.left);
      laid_out.push_back(first + t);
    }
    if (!layout.with_past) laid_out.insert(laid_out.end(), static_cast<std::size_t>(gap), nothing);
    for (std::int64_t t = count; layout.with_past && t < count + kernel - 1; ++t) {
      kept.push_back(t < kernel - 1 ? past + t : first + t - (kernel - 1));
    }
  }
  if (layout.roomy) {
    const auto unused = static_cast<std::size_t>(layout.rows - offsets.back());
    laid_out.insert(laid_out.end(), unused, layout.with_past ? 0 : nothing);
    back.insert(back.end(), unused, 0);
  }
  Rows one(static_cast<std::size_t>(kernel), 0);
  one[static_cast<std::size_t>(layout.left)] = 1;
  runtime::IndexLists lists;
  lists.Add(laid_out);
  lists.Add(back);
  lists.Add(kept);
  lists.Add(one);
  return lists;
}

MemoryPlan Plan(const DeviceMemory& call, runtime::GraphLists* graph) {
  const at::Device device = call.x.device();
  const Layout layout{call.taps.size(0), call.left, call.x.size(0), !call.past.empty(),
                      graph != nullptr};
  const runtime::IndexLists lists = Lists(layout, RowsOf(call.offsets));
  std::vector<at::Tensor> sent;
  if (graph == nullptr) {
    sent = lists.Upload(device);
  } else {
    const auto fill = [layout, offsets = call.offsets] {
      return Lists(layout, RowsOf(offsets)).numbers();
    };
    sent = lists.Split(graph->Add(fill, device));
  }
  return {std::move(sent[0]), std::move(sent[1]), std::move(sent[2]),
          sent[3].to(call.taps.scalar_type()).unsqueeze(1)};
}

std::shared_ptr<const MemoryPlan> PlanOf(const DeviceMemory& call, runtime::GraphLists* graph) {
  Rows numbers{call.taps.size(0), call.left, call.x.size(0), !call.past.empty(),
               static_cast<std::int64_t>(call.taps.scalar_type())};
  const Rows offsets = RowsOf(call.offsets);
  numbers.insert(numbers.end(), offsets.begin(), offsets.end());
  return PlanMemo<MemoryPlan>::OfThisThread().Get(std::move(numbers), call.x.device(),
                                                  [&] { return Plan(call, graph); });
}

// All streams' past of the layer, (streams * (kernel - 1), size).
at::Tensor Past(const DeviceMemory& call) {
  if (call.past.size() == 1) return call.past[0][call.layer];
  std::vector<at::Tensor> parts;
  for (const at::Tensor& past : call.past) parts.push_back(past[call.layer]);
  return at::cat(parts);
}

void KeepNext(const DeviceMemory& call, const at::Tensor& rows) {
  const std::int64_t kept = call.taps.size(0) - 1;
  for (std::size_t i = 0; i < call.next.size(); ++i) {
    call.next[i][call.layer].copy_(
        call.next.size() == 1 ? rows : rows.narrow(0, static_cast<std::int64_t>(i) * kept, kept));
  }
}

}  // namespace

at::Tensor RememberOnDevice(const DeviceMemory& call) {
  // These are sums over rows of a network, not a linear layer: float32 is float32.
  const at::NoTF32Guard no_tf32;
  const at::ScalarType type = call.taps.scalar_type();
  runtime::GraphLists* const graph = runtime::GraphLists::OfThisThread();
  const std::int64_t rows = call.x.size(0), size = call.x.size(1);
  // How many belong to somebody differs between replays of a graph.
  const std::int64_t used = graph != nullptr ? rows : RowsOf(call.offsets).back();
  const auto plan = PlanOf(call, graph);
  at::Tensor sources = call.past.empty() ? at::constant_pad_nd(call.x, {0, 0, 0, 1})
                                         : at::cat({call.x.to(type), Past(call)});
  if (!call.past.empty()) KeepNext(call, sources.index_select(0, plan->kept));
  if (used == 0) return at::zeros({rows, size}, call.taps.options());

  // Channels first, and in the type of the taps, in one copy.
  const at::Tensor laid_out = sources.index_select(0, plan->laid_out);
  const at::Tensor channels = at::empty({size, laid_out.size(0)}, call.taps.options());
  channels.copy_(laid_out.t());
  // The row itself is one more tap.
  const at::Tensor taps = at::add(call.taps, plan->identity).t().unsqueeze(1);
  const at::Tensor filtered =
      at::conv1d(channels.unsqueeze(0), taps, /*bias=*/at::Tensor(), /*stride=*/at::IntArrayRef{1},
                 /*padding=*/at::IntArrayRef{0}, /*dilation=*/at::IntArrayRef{1}, /*groups=*/size)
          .squeeze(0);
  at::Tensor out = filtered.t().index_select(0, plan->back);
  if (call.residual.defined()) out.add_(call.residual.narrow(0, 0, used));
  return used == rows ? out : at::constant_pad_nd(out, {0, 0, 0, rows - used});
}

}  // namespace safeasr::asr
