// safeasr::ragged_attention: multi-head attention of many utterances, or of a step of many streams.
// Source: FunASR's MultiHeadedAttentionSANM.forward_chunk and MultiHeadedAttentionCrossAtt.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace safeasr::asr {

// The queries of each stream attend to the stream's own keys: those that its ring holds from former
// steps, then the new ones.
//
// q: (queries, size); k, v: (keys, size), rows of all streams one below the other, channels
// adjacent. query_offsets, key_offsets: (streams + 1) int64 on the CPU, where each stream's rows
// begin. caches: for each stream (layers, 2, capacity, size), keys and values, each a ring of
// rows; none at all for recordings, which have no former steps, and then spans mean nothing. q, k,
// v and caches have one type; sums are float32. spans: (streams, 3) int64 on the CPU: where the
// ring's rows begin, how many there are, and how many of the new rows, counted from the first, are
// written behind them. Rows behind the last stream's are padding: zeros come out. Returns (queries,
// size).
//
// Or rings of several streams lie in one cache, so that one launch reads them all, and spans are
// (streams, 6): then come the number of the cache (-1: none), the ring's first row in it, and its
// capacity. A stream's start counts from that row.
//
// float32 and bfloat16 on the CPU have kernels, unless spans are the long ones; the rest goes by
// device_attention.h.
//
// What is written lies outside the rows that the span names. So a step that fails later can be run
// again: the state changes when the caller moves the span.
at::Tensor RaggedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           std::int64_t heads, const at::Tensor& query_offsets,
                           const at::Tensor& key_offsets, at::TensorList caches,
                           const at::Tensor& spans, std::int64_t layer);

// Self-attention of recordings, whose scores fall with distance (Press et al., 2021,
// https://arxiv.org/abs/2108.12409): the score of two rows that have places is lowered by the
// head's slope times the steps between them. places: (rows) float32, where each row stands,
// negative for those that stand nowhere; slopes: (heads) float32. All else as above.
at::Tensor AlibiAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          std::int64_t heads, const at::Tensor& offsets, const at::Tensor& places,
                          const at::Tensor& slopes);

// The same by tensor operations with a given operator for AttendPacked (packed_attention.h), or ""
// for none; for tests.
at::Tensor RaggedAttentionBy(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             std::int64_t heads, const at::Tensor& query_offsets,
                             const at::Tensor& key_offsets, at::TensorList caches,
                             const at::Tensor& spans, std::int64_t layer, std::string packed_way);

}  // namespace safeasr::asr
