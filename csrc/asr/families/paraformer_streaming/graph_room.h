// Room for the steps of live streams that share a graph: how batches are filled up to few sizes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "asr/families/paraformer_streaming/stream.h"
#include "asr/live/kv_ring.h"
#include "runtime/graph_lists.h"
#include "runtime/program.h"

namespace safeasr::asr {

// The least of few numbers that is no less: powers of two, and those half way to the next.
std::int64_t GraphSize(std::int64_t count);

// A stream's part of a batch.
struct StepPart {
  const KvRing* ring;
  std::int64_t append;  // rows that are written to it
  std::int64_t rows;    // of the encoder
  std::int64_t tokens;  // of the decoder; 0 in the encoder's step
};

// A batch filled up: streams of nobody behind the others, and rows of nobody behind theirs.
struct GraphRoom {
  std::int64_t streams, rows, tokens;
  runtime::GraphRoom operators;
  std::vector<at::Tensor> slabs;

  // What tells the graph of a program for this room from others.
  std::vector<std::int64_t> KeyWith(const runtime::Program& program) const;
};

// Room for the encoder's step, or for the decoder's, of streams with the same options; none if the
// batch is too mixed. look_back: rows of former chunks that are looked at.
std::optional<GraphRoom> RoomForEncoder(const StreamingOptions& options,
                                        const std::vector<StepPart>& parts, const SlabPool& pool);
std::optional<GraphRoom> RoomForDecoder(const StreamingOptions& options,
                                        const std::vector<StepPart>& parts, const SlabPool& pool);

// The parts' rings; with those of nobody.
RingList RingsOf(const std::vector<StepPart>& parts, bool in_slabs);
RingList RingsIn(const GraphRoom& room, const std::vector<StepPart>& parts);

// Offsets with the streams of nobody: (room.streams + 1).
std::vector<std::int64_t> OffsetsIn(const GraphRoom& room, std::vector<std::int64_t> offsets);

// A tensor (..., rows, size) or (rows) with zeros behind its rows.
at::Tensor FilledUp(const at::Tensor& rows, std::int64_t count);

}  // namespace safeasr::asr
