#include "asr/ops/device/placed_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace safeasr::asr {
namespace {

constexpr std::int64_t kScores = std::int64_t{1} << 27;  // that are in work at a time

// What is added to the scores of some queries of some streams.
at::Tensor Bias(const PlacedHeads& h, const at::Tensor& query_places, const at::Tensor& key_places,
                const at::Tensor& mask) {
  const at::Tensor from = query_places.unsqueeze(2), to = key_places.unsqueeze(1);
  const at::Tensor steps = (from - to).abs_().masked_fill_((from < 0).logical_or(to < 0), 0);
  const at::Tensor cost = steps.unsqueeze(1) * h.slopes.neg().view({1, -1, 1, 1});
  const at::Tensor all = mask.defined() ? cost + mask : cost;
  return all.to(h.q.scalar_type());
}

}  // namespace

at::Tensor AttendPlaced(const PlacedHeads& h) {
  const std::int64_t streams = h.q.size(0), queries = h.q.size(2);
  if (streams * queries == 0) return h.q;
  const std::int64_t row = std::max<std::int64_t>(h.q.size(1) * h.k.size(2), 1);
  const std::int64_t together = std::clamp<std::int64_t>(kScores / (row * queries), 1, streams);
  const std::int64_t rows = std::clamp<std::int64_t>(kScores / (row * together), 1, queries);
  std::vector<at::Tensor> parts;
  for (std::int64_t s = 0; s < streams; s += together) {
    const std::int64_t count = std::min(together, streams - s);
    const auto some = [&](const at::Tensor& t) { return t.narrow(0, s, count); };
    std::vector<at::Tensor> pieces;
    for (std::int64_t t = 0; t < queries; t += rows) {
      const std::int64_t long_rows = std::min(rows, queries - t);
      const at::Tensor bias = Bias(h, some(h.query_places).narrow(1, t, long_rows),
                                   some(h.key_places), h.mask.defined() ? some(h.mask) : h.mask);
      pieces.push_back(at::scaled_dot_product_attention(some(h.q).narrow(2, t, long_rows),
                                                        some(h.k), some(h.v), bias));
    }
    parts.push_back(pieces.size() == 1 ? pieces[0] : at::cat(pieces, 2));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace safeasr::asr
