#include "asr/families/paraformer_streaming/graph_room.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace safeasr::asr {
namespace {

// The last chunk of a stream may bring a row or two more than others.
constexpr std::int64_t kMoreRows = 2;
// Tokens of a stream in a step, in the longest of all kinds of graphs. Few have more.
constexpr std::int64_t kMostTokens = 8;

std::int64_t RowsOfStep(const StreamingOptions& options) {
  return options.left + options.chunk + options.right;
}

// The one kind of slabs that all rings lie in.
std::optional<std::vector<at::Tensor>> SlabsOf(const std::vector<StepPart>& parts,
                                               const SlabPool& pool) {
  const KvRing* known = nullptr;
  for (const StepPart& part : parts) {
    if (part.ring->capacity() == 0) continue;
    if (!part.ring->slot) return std::nullopt;
    if (known != nullptr && known->capacity() != part.ring->capacity()) return std::nullopt;
    known = part.ring;
  }
  if (known == nullptr) return std::vector<at::Tensor>{};
  return pool.Slabs(known->capacity(), known->rows.device());
}

std::optional<GraphRoom> RoomFor(const StreamingOptions& options, std::int64_t window,
                                 const std::vector<StepPart>& parts, const SlabPool& pool) {
  const std::int64_t most = RowsOfStep(options) + kMoreRows;
  std::int64_t sum = 0, append = 0;
  for (const StepPart& part : parts) {
    if (part.rows > most || part.ring->count > window) return std::nullopt;
    sum += part.rows;
    append = std::max(append, part.append);
  }
  auto slabs = SlabsOf(parts, pool);
  GraphRoom room;
  room.streams = GraphSize(static_cast<std::int64_t>(parts.size()));
  room.rows = room.streams * RowsOfStep(options);
  room.tokens = 0;
  if (!slabs || sum > room.rows) return std::nullopt;
  room.slabs = std::move(*slabs);
  const bool rings = !room.slabs.empty();
  room.operators = {most, most, rings ? window : 0, rings ? most : 0};
  return room;
}

}  // namespace

std::vector<std::int64_t> GraphRoom::KeyWith(const runtime::Program& program) const {
  std::vector<std::int64_t> key{reinterpret_cast<std::int64_t>(&program),
                                streams,
                                rows,
                                tokens,
                                operators.longest_query,
                                operators.longest_key,
                                operators.window,
                                operators.append};
  // They are never moved, and others come.
  for (const at::Tensor& slab : slabs) {
    key.push_back(reinterpret_cast<std::int64_t>(slab.unsafeGetTensorImpl()));
  }
  return key;
}

std::int64_t GraphSize(std::int64_t count) {
  std::int64_t size = 1;
  while (size < count) {
    if (size >= 2 && size + size / 2 >= count) return size + size / 2;
    size *= 2;
  }
  return size;
}

std::optional<GraphRoom> RoomForEncoder(const StreamingOptions& options,
                                        const std::vector<StepPart>& parts, const SlabPool& pool) {
  if (options.encoder_look_back < 0) return std::nullopt;
  const std::int64_t window =
      std::max<std::int64_t>(options.encoder_look_back, 1) * options.chunk + options.left;
  return RoomFor(options, window, parts, pool);
}

std::optional<GraphRoom> RoomForDecoder(const StreamingOptions& options,
                                        const std::vector<StepPart>& parts, const SlabPool& pool) {
  const std::int64_t window = std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk;
  std::optional<GraphRoom> room = RoomFor(options, window, parts, pool);
  if (!room) return room;
  std::int64_t sum = 0;
  for (const StepPart& part : parts) {
    if (part.tokens > kMostTokens) return std::nullopt;
    sum += part.tokens;
  }
  room->tokens = 2 * room->streams;
  while (room->tokens < sum) room->tokens *= 2;
  room->operators.longest_query = kMostTokens;
  return room;
}

RingList RingsOf(const std::vector<StepPart>& parts, bool in_slabs) {
  RingList rings(in_slabs);
  for (const StepPart& part : parts) rings.Add(*part.ring, part.append);
  return rings;
}

RingList RingsIn(const GraphRoom& room, const std::vector<StepPart>& parts) {
  RingList rings(room.slabs);
  for (const StepPart& part : parts) rings.Add(*part.ring, part.append);
  for (auto i = static_cast<std::int64_t>(parts.size()); i < room.streams; ++i) rings.AddNobody();
  return rings;
}

std::vector<std::int64_t> OffsetsIn(const GraphRoom& room, std::vector<std::int64_t> offsets) {
  offsets.resize(static_cast<std::size_t>(room.streams) + 1, offsets.back());
  return offsets;
}

at::Tensor FilledUp(const at::Tensor& rows, std::int64_t count) {
  const std::int64_t dim = rows.dim() == 1 ? 0 : rows.dim() - 2;
  const std::int64_t missing = count - rows.size(dim);
  if (missing == 0) return rows;
  if (rows.dim() == 1) return at::constant_pad_nd(rows, {0, missing});
  return at::constant_pad_nd(rows, {0, 0, 0, missing});
}

}  // namespace safeasr::asr
