// Index tensors by which attention of a ragged batch is a few launches on any device, whatever the
// number of streams.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/graph_lists.h"

namespace safeasr::asr {

// One stream's part of a batch.
struct AttentionStream {
  std::int64_t first_query, queries, first_key, keys;
  std::int64_t start, count, append;  // the span in its ring
  std::int64_t cache;                 // which of the caches holds its ring; -1: none
  std::int64_t first, capacity;       // the ring's rows in the cache
};

// Rows of a cache that are read before, or written behind, the batch's own.
struct CacheRows {
  std::int64_t cache;
  at::Tensor rows;  // in the cache
  at::Tensor from;  // written only: rows of the batch's keys
};

// Streams of which none is less than half as long as the longest, or which waste little together.
struct AttentionBucket {
  std::int64_t streams = 0, queries = 0, keys = 0;  // rows of each, padded
  at::Tensor query_rows;  // (streams * queries), rows of q; undefined: q as it is
  at::Tensor key_rows;    // (streams * keys), rows of the batch's keys and those read behind them;
                          // undefined: the batch's keys as they are
  at::Tensor mask;  // (streams, 1, 1, keys): 0, or minus infinity for padding; undefined: none
};

struct AttentionPlan {
  std::int64_t queries = 0;  // that belong to a stream
  std::vector<CacheRows> reads, writes;

  // For kernels that know lengths. Empty when a stream asks and has no keys at all.
  bool packable = true;
  at::Tensor packed_keys;           // undefined: the batch's keys as they are
  at::Tensor query_ends, key_ends;  // (streams + 1) int32
  std::int64_t longest_query = 0, longest_key = 0;

  // For those that know masks.
  std::vector<AttentionBucket> buckets;
  at::Tensor back;    // (queries), each one's row among the buckets' rows; undefined: in order
  at::Tensor silent;  // queries without keys; undefined: there are none
};

// The plan of a batch, from the memo of the calling thread if its last ones were like it. type: of
// the masks. packed: what kernels need that know lengths, else what those need that know masks.
std::shared_ptr<const AttentionPlan> PlanAttention(const std::vector<AttentionStream>& streams,
                                                   at::ScalarType type, bool packed,
                                                   at::Device device);

// Rows of the tensors of a batch whose attention becomes part of a graph.
struct AttentionSizes {
  std::int64_t queries, keys;              // of q and of k
  std::vector<std::int64_t> cache_rows{};  // of slabs (asr/live/slab_pool.h)
};

// The same with the room that the graph leaves, in one bucket, whatever the streams bring. reread:
// the streams as the host's inputs have them before a replay; a replay throws
// runtime::StepDoesNotFit if they do not fit.
std::shared_ptr<const AttentionPlan> PlanAttention(
    runtime::GraphLists& lists, const std::function<std::vector<AttentionStream>()>& reread,
    const AttentionSizes& sizes, at::ScalarType type, at::Device device);

}  // namespace safeasr::asr
