#include "asr/ops/ragged_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "asr/ops/device/device_attention.h"
#include "asr/ops/device/packed_attention.h"
#include "asr/ops/plain_floats.h"
#include "kernels/attention_kernel.h"
#include "kernels/simd.h"
#include "runtime/graph_lists.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

struct Operands {
  const at::Tensor &q, &k, &v;
  std::int64_t heads, layer;
  at::TensorList caches;
  std::vector<AttentionStream> streams;
  std::int64_t used;  // queries that belong to a stream
  // Of AlibiAttention; null: none.
  const at::Tensor *places = nullptr, *slopes = nullptr;
};

bool AttendsByKernel(const at::Tensor& t) {
  return t.device().is_cpu() && t.stride(-1) == 1 &&
         (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

// Where a tensor's numbers are, as the kernel knows them.
template <class T>
T* Data(const at::Tensor& t) {
  return static_cast<T*>(t.data_ptr());
}

void CheckOffsets(const at::Tensor& offsets, const at::Tensor& rows, const char* name) {
  TORCH_CHECK(offsets.device().is_cpu() && offsets.scalar_type() == at::kLong &&
                  offsets.dim() == 1 && offsets.size(0) >= 1 && offsets.is_contiguous(),
              "ragged_attention expects ", name, " (streams + 1) int64 on the CPU");
  const std::int64_t* first = offsets.data_ptr<std::int64_t>();
  TORCH_CHECK(first[0] == 0 && first[offsets.size(0) - 1] <= rows.size(0) &&
                  std::is_sorted(first, first + offsets.size(0)),
              "ragged_attention: ", name, " must rise from 0, at most to ", rows.size(0));
}

// Columns of spans: of rings that fill their caches, or of rings that name their caches.
constexpr std::int64_t kSpan = 3, kSpanInCache = 6;

std::vector<AttentionStream> AttentionStreams(const at::Tensor& query_offsets,
                                              const at::Tensor& key_offsets, at::TensorList caches,
                                              const at::Tensor& spans) {
  const std::int64_t count = query_offsets.size(0) - 1;
  TORCH_CHECK(key_offsets.size(0) == count + 1, "ragged_attention: ", count,
              " streams by queries, ", key_offsets.size(0) - 1, " by keys");
  const std::int64_t* q = query_offsets.data_ptr<std::int64_t>();
  const std::int64_t* k = key_offsets.data_ptr<std::int64_t>();
  std::vector<AttentionStream> streams;
  streams.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    streams.push_back({q[i], q[i + 1] - q[i], k[i], k[i + 1] - k[i], 0, 0, 0, -1, 0, 0});
  }
  if (caches.empty()) return streams;
  TORCH_CHECK(spans.device().is_cpu() && spans.scalar_type() == at::kLong && spans.dim() == 2 &&
                  spans.size(0) == count &&
                  (spans.size(1) == kSpan || spans.size(1) == kSpanInCache) &&
                  spans.is_contiguous(),
              "ragged_attention expects spans (streams, 3) or (streams, 6) int64 on the CPU");
  const bool in_cache = spans.size(1) == kSpanInCache;
  TORCH_CHECK(in_cache || static_cast<std::int64_t>(caches.size()) == count,
              "ragged_attention expects one cache a stream or none, got ", caches.size(), " for ",
              count, " streams");
  const std::int64_t* s = spans.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    AttentionStream& stream = streams[static_cast<std::size_t>(i)];
    stream.start = *s++;
    stream.count = *s++;
    stream.append = *s++;
    if (in_cache) {
      stream.cache = *s++;
      stream.first = *s++;
      stream.capacity = *s++;
    } else {
      stream.cache = i;
      stream.capacity = caches[i].dim() == 4 ? caches[i].size(2) : 0;
    }
  }
  return streams;
}

void CheckCache(const at::Tensor& cache, const at::Tensor& k, std::int64_t layer) {
  TORCH_CHECK(cache.dim() == 4 && layer >= 0 && layer < cache.size(0) && cache.size(1) == 2 &&
                  cache.size(3) == k.size(1) && cache.is_contiguous() &&
                  cache.scalar_type() == k.scalar_type(),
              "ragged_attention expects caches (layers, 2, capacity, ", k.size(1),
              ") of the keys' type, got ", cache.sizes());
}

void CheckSpan(const AttentionStream& s, at::TensorList caches) {
  TORCH_CHECK(s.cache >= -1 && s.cache < static_cast<std::int64_t>(caches.size()) && s.first >= 0 &&
                  s.capacity >= 0 &&
                  s.first + s.capacity <= (s.cache < 0 ? 0 : caches[s.cache].size(2)),
              "ragged_attention: a ring of ", s.capacity, " rows from ", s.first, " in cache ",
              s.cache, " of ", caches.size());
  TORCH_CHECK(s.count >= 0 && s.append >= 0 && s.append <= s.keys &&
                  s.count + s.append <= s.capacity && s.start >= 0 &&
                  (s.start < s.capacity || s.count + s.append == 0),
              "ragged_attention: a span of ", s.count, " rows from ", s.start, " and ", s.append,
              " more does not fit a ring of ", s.capacity, " and ", s.keys, " new rows");
}

template <class T>
void StoreRows(const Operands& o, std::size_t i) {
  const AttentionStream& s = o.streams[i];
  if (s.append == 0) return;
  const std::int64_t size = o.k.size(1), capacity = o.caches[i].size(2);
  T* ring = Data<T>(o.caches[i]) + o.layer * 2 * capacity * size;
  for (const at::Tensor* source : {&o.k, &o.v}) {
    for (std::int64_t t = 0; t < s.append; ++t) {
      const T* row = Data<T>(*source) + (s.first_key + t) * source->stride(0);
      std::copy_n(row, size, ring + (s.start + s.count + t) % capacity * size);
    }
    ring += capacity * size;
  }
}

// Where the rows are that a stream attends to, at the first head's channels.
template <class T>
void FindRows(const Operands& o, std::size_t i, std::vector<const T*>* keys,
              std::vector<const T*>* values) {
  const AttentionStream& s = o.streams[i];
  if (s.count > 0) {
    const std::int64_t size = o.k.size(1), capacity = o.caches[i].size(2);
    const T* ring = Data<T>(o.caches[i]) + o.layer * 2 * capacity * size;
    for (std::int64_t t = 0; t < s.count; ++t) {
      const T* row = ring + (s.start + t) % capacity * size;
      keys->push_back(row);
      values->push_back(row + capacity * size);
    }
  }
  for (std::int64_t t = s.first_key; t < s.first_key + s.keys; ++t) {
    keys->push_back(Data<T>(o.k) + t * o.k.stride(0));
    values->push_back(Data<T>(o.v) + t * o.v.stride(0));
  }
}

template <class T>
at::Tensor OnTheCpu(const Operands& o) {
  const std::int64_t size = o.q.size(1), depth = size / o.heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(depth));
  const int lanes = kernels::SimdLanes();
  at::Tensor out = at::empty({o.q.size(0), size}, o.q.options());
  out.narrow(0, o.used, o.q.size(0) - o.used).zero_();
  const auto streams = static_cast<std::int64_t>(o.streams.size());
  // Each task is a head of a stream; the first one also stores the stream's new rows.
  at::parallel_for(0, streams * o.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<const T*> keys, values;
    std::vector<float> scratch;
    std::int64_t found = -1;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t i = task / o.heads, channel = task % o.heads * depth;
      const AttentionStream& s = o.streams[i];
      const std::int64_t step = found == i ? depth : channel;
      if (found != i) {
        keys.clear();
        values.clear();
        FindRows<T>(o, i, &keys, &values);
        const auto count = static_cast<std::int64_t>(keys.size());
        scratch.resize(kernels::AttentionScratch(s.queries, count, depth));
        found = i;
      }
      for (auto* rows : {&keys, &values}) {
        for (const T*& row : *rows) row += step;
      }
      if (channel == 0) StoreRows<T>(o, i);
      kernels::AttendHead(
          kernels::HeadAttention<T>{
              Data<T>(o.q) + s.first_query * o.q.stride(0) + channel, o.q.stride(0),
              Data<T>(out) + s.first_query * size + channel, size, s.queries, keys.data(),
              values.data(), static_cast<std::int64_t>(keys.size()), depth, scale, scratch.data(),
              o.places == nullptr ? nullptr : Data<float>(*o.places) + s.first_key,
              o.slopes == nullptr ? 0 : Data<float>(*o.slopes)[task % o.heads]},
          lanes);
    }
  });
  return out;
}

Operands Checked(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                 const at::Tensor& query_offsets, const at::Tensor& key_offsets,
                 at::TensorList caches, const at::Tensor& spans, std::int64_t layer) {
  TORCH_CHECK(q.dim() == 2 && k.dim() == 2 && k.sizes() == v.sizes() && q.size(1) == k.size(1),
              "ragged_attention expects q (queries, size) and k, v (keys, size), got ", q.sizes(),
              ", ", k.sizes(), " and ", v.sizes());
  TORCH_CHECK(heads > 0 && q.size(1) % heads == 0, "ragged_attention: ", heads,
              " heads do not divide ", q.size(1), " channels");
  CheckOffsets(query_offsets, q, "query_offsets");
  CheckOffsets(key_offsets, k, "key_offsets");
  TORCH_CHECK(q.scalar_type() == k.scalar_type() && k.scalar_type() == v.scalar_type(),
              "ragged_attention expects q, k and v of one type");
  const Operands operands{q,
                          k,
                          v,
                          heads,
                          layer,
                          caches,
                          AttentionStreams(query_offsets, key_offsets, caches, spans),
                          query_offsets.data_ptr<std::int64_t>()[query_offsets.size(0) - 1]};
  for (const at::Tensor& cache : caches) CheckCache(cache, k, layer);
  for (const AttentionStream& stream : operands.streams) CheckSpan(stream, caches);
  return operands;
}

DeviceAttention ForDevice(const Operands& o) {
  return {o.q, o.k, o.v, o.heads, o.layer, o.caches, o.streams, {}};
}

}  // namespace

at::Tensor RaggedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           std::int64_t heads, const at::Tensor& query_offsets,
                           const at::Tensor& key_offsets, at::TensorList caches,
                           const at::Tensor& spans, std::int64_t layer) {
  const Operands operands =
      Checked(q, k, v, heads, query_offsets, key_offsets, caches, spans, layer);
  const bool plain = AttendsByKernel(q) && AttendsByKernel(k) && AttendsByKernel(v) &&
                     !runtime::TakesTensorOpPath(q.device()) &&
                     (caches.empty() || spans.size(1) == kSpan) &&
                     std::all_of(caches.begin(), caches.end(),
                                 [](const at::Tensor& cache) { return cache.device().is_cpu(); });
  if (!plain) {
    DeviceAttention call = ForDevice(operands);
    if (runtime::GraphLists::OfThisThread() != nullptr) {
      call.reread = [query_offsets, key_offsets, kept = caches.vec(), spans] {
        std::vector<AttentionStream> streams =
            AttentionStreams(query_offsets, key_offsets, kept, spans);
        for (const AttentionStream& stream : streams) CheckSpan(stream, kept);
        return streams;
      };
    }
    return AttendOnDevice(call);
  }
  return q.scalar_type() == at::kFloat ? OnTheCpu<float>(operands)
                                       : OnTheCpu<kernels::BFloat16>(operands);
}

at::Tensor AlibiAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          std::int64_t heads, const at::Tensor& offsets, const at::Tensor& places,
                          const at::Tensor& slopes) {
  Operands operands = Checked(q, k, v, heads, offsets, offsets, {}, offsets, 0);
  TORCH_CHECK(q.size(0) == k.size(0) && places.dim() == 1 && places.size(0) == q.size(0) &&
                  places.scalar_type() == at::kFloat && slopes.dim() == 1 &&
                  slopes.size(0) == heads && slopes.scalar_type() == at::kFloat,
              "alibi_attention expects places (", q.size(0), ") and slopes (", heads,
              ") in float32, got ", places.sizes(), " and ", slopes.sizes());
  operands.places = &places;
  operands.slopes = &slopes;
  if (!AttendsByKernel(q) || !AttendsByKernel(k) || !AttendsByKernel(v) || !PlainFloats(places) ||
      !PlainFloats(slopes)) {
    DeviceAttention call = ForDevice(operands);
    call.places = places;
    call.slopes = slopes;
    return AttendOnDevice(call, "");
  }
  return q.scalar_type() == at::kFloat ? OnTheCpu<float>(operands)
                                       : OnTheCpu<kernels::BFloat16>(operands);
}

at::Tensor RaggedAttentionBy(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             std::int64_t heads, const at::Tensor& query_offsets,
                             const at::Tensor& key_offsets, at::TensorList caches,
                             const at::Tensor& spans, std::int64_t layer, std::string packed_way) {
  const Operands operands =
      Checked(q, k, v, heads, query_offsets, key_offsets, caches, spans, layer);
  const bool good = !packed_way.empty() && PackedWayIsGood(packed_way, q.device(), q.scalar_type(),
                                                           heads, q.size(1) / heads);
  return AttendOnDevice(ForDevice(operands), good ? packed_way : "");
}

}  // namespace safeasr::asr
