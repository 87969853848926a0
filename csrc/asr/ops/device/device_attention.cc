#include "asr/ops/device/device_attention.h"

#include <ATen/ATen.h>

#include <memory>

#include "asr/ops/device/packed_attention.h"
#include "asr/ops/device/placed_attention.h"
#include "runtime/graph_lists.h"

namespace safeasr::asr {
namespace {

// Keys and values of the batch with those that were read from the rings behind them.
struct Sources {
  at::Tensor both;  // (2, rows, size), if there are caches to read or write
  at::Tensor k, v;  // (rows, size)
};

Sources ReadSources(const DeviceAttention& call, const AttentionPlan& plan) {
  if (plan.reads.empty() && plan.writes.empty()) return {{}, call.k, call.v};
  std::vector<at::Tensor> parts{at::stack({call.k, call.v})};
  // The rows of nobody do not stand between, but in graphs, which have room for them.
  if (!call.streams.empty() && !call.reread) {
    const AttentionStream& last = call.streams.back();
    parts[0] = parts[0].narrow(1, 0, last.first_key + last.keys);
  }
  for (const CacheRows& read : plan.reads) {
    parts.push_back(call.caches[read.cache][call.layer].index_select(1, read.rows));
  }
  const at::Tensor both = parts.size() == 1 ? parts[0] : at::cat(parts, 1);
  return {both, both[0], both[1]};
}

void WriteRings(const DeviceAttention& call, const AttentionPlan& plan, const Sources& sources) {
  for (const CacheRows& write : plan.writes) {
    call.caches[write.cache][call.layer].index_copy_(1, write.rows,
                                                     sources.both.index_select(1, write.from));
  }
}

// Chosen rows as (streams, heads, rows, depth).
at::Tensor ByHead(const at::Tensor& rows, const at::Tensor& chosen, std::int64_t streams,
                  std::int64_t count, std::int64_t heads) {
  const at::Tensor some =
      chosen.defined() ? rows.index_select(0, chosen) : rows.narrow(0, 0, streams * count);
  return some.unflatten(0, {streams, count})
      .unflatten(2, {heads, rows.size(1) / heads})
      .transpose(1, 2);
}

// Where the chosen rows stand: (streams, count).
at::Tensor Places(const at::Tensor& places, const at::Tensor& chosen, std::int64_t streams,
                  std::int64_t count) {
  return (chosen.defined() ? places.index_select(0, chosen) : places.narrow(0, 0, streams * count))
      .view({streams, count});
}

at::Tensor AttendBucket(const DeviceAttention& call, const AttentionBucket& b,
                        const Sources& sources) {
  const at::Tensor q = ByHead(call.q, b.query_rows, b.streams, b.queries, call.heads);
  at::Tensor k, v;
  if (sources.both.defined() && b.key_rows.defined()) {  // both in one go
    const at::Tensor chosen = sources.both.index_select(1, b.key_rows);
    k = ByHead(chosen[0], {}, b.streams, b.keys, call.heads);
    v = ByHead(chosen[1], {}, b.streams, b.keys, call.heads);
  } else {
    k = ByHead(sources.k, b.key_rows, b.streams, b.keys, call.heads);
    v = ByHead(sources.v, b.key_rows, b.streams, b.keys, call.heads);
  }
  const std::optional<at::Tensor> mask =
      b.mask.defined() ? std::optional<at::Tensor>(b.mask) : std::nullopt;
  const at::Tensor out =
      call.slopes.defined()
          ? AttendPlaced({q, k, v, Places(call.places, b.query_rows, b.streams, b.queries),
                          Places(call.places, b.key_rows, b.streams, b.keys), call.slopes, b.mask})
          : at::scaled_dot_product_attention(q, k, v, mask);
  return out.transpose(1, 2).reshape({b.streams * b.queries, call.q.size(1)});
}

// With zeros in the rows of nobody.
at::Tensor WithRowsOfNobody(const at::Tensor& rows, std::int64_t count) {
  const std::int64_t missing = count - rows.size(0);
  return missing == 0 ? rows : at::constant_pad_nd(rows, {0, 0, 0, missing});
}

std::shared_ptr<const AttentionPlan> PlanOf(const DeviceAttention& call) {
  runtime::GraphLists* const lists = runtime::GraphLists::OfThisThread();
  if (lists == nullptr || !call.reread) {
    return PlanAttention(call.streams, call.q.scalar_type(), false, call.q.device());
  }
  AttentionSizes sizes{call.q.size(0), call.k.size(0)};
  for (const at::Tensor& cache : call.caches) sizes.cache_rows.push_back(cache.size(2));
  return PlanAttention(*lists, call.reread, sizes, call.q.scalar_type(), call.q.device());
}

at::Tensor Padded(const DeviceAttention& call) {
  const auto plan = PlanOf(call);
  const Sources sources = ReadSources(call, *plan);
  std::vector<at::Tensor> parts;
  for (const AttentionBucket& bucket : plan->buckets) {
    parts.push_back(AttendBucket(call, bucket, sources));
  }
  WriteRings(call, *plan, sources);
  if (parts.empty()) return at::zeros({call.q.size(0), call.q.size(1)}, call.q.options());
  at::Tensor out = parts.size() == 1 ? parts[0] : at::cat(parts);
  out = plan->back.defined() ? out.index_select(0, plan->back) : out.narrow(0, 0, plan->queries);
  if (plan->silent.defined()) out.index_fill_(0, plan->silent, 0);
  return WithRowsOfNobody(out, call.q.size(0));
}

at::Tensor Packed(const DeviceAttention& call, const AttentionPlan& plan, const std::string& way) {
  const Sources sources = ReadSources(call, plan);
  const auto by_head = [&](const at::Tensor& rows) {
    return rows.unflatten(1, {call.heads, rows.size(1) / call.heads});
  };
  const std::int64_t keys =
      call.streams.back().first_key + call.streams.back().keys;  // without rows of nobody
  at::Tensor k = sources.k.narrow(0, 0, keys), v = sources.v.narrow(0, 0, keys);
  if (plan.packed_keys.defined()) {
    const at::Tensor chosen = sources.both.index_select(1, plan.packed_keys);
    k = chosen[0];
    v = chosen[1];
  }
  const at::Tensor out =
      AttendPacked({by_head(call.q.narrow(0, 0, plan.queries)), by_head(k), by_head(v),
                    plan.query_ends, plan.key_ends, plan.longest_query, plan.longest_key},
                   way);
  WriteRings(call, plan, sources);
  return WithRowsOfNobody(out.reshape({plan.queries, call.q.size(1)}), call.q.size(0));
}

}  // namespace

at::Tensor AttendOnDevice(const DeviceAttention& call, const std::string& packed_way) {
  if (packed_way.empty()) return Padded(call);
  const auto plan = PlanAttention(call.streams, call.q.scalar_type(), true, call.q.device());
  // The kernels say nothing of streams that ask and have nothing to look at.
  if (!plan->packable || plan->queries == 0) return Padded(call);
  return Packed(call, *plan, packed_way);
}

at::Tensor AttendOnDevice(const DeviceAttention& call) {
  if (call.reread) return Padded(call);
  const std::string way = PackedWay(call.q.device(), call.q.scalar_type());
  const bool good = !way.empty() && PackedWayIsGood(way, call.q.device(), call.q.scalar_type(),
                                                    call.heads, call.q.size(1) / call.heads);
  return AttendOnDevice(call, good ? way : "");
}

}  // namespace safeasr::asr
