#include "asr/ops/device/attention_rings.h"

#include <algorithm>

namespace safeasr::asr {
namespace {

// Of every slab as many rows as the streams could want of it: the rows of nobody are read where
// there are zeros, and written where nobody looks.
void FillUp(const Room& room, std::int64_t streams, Rings* rings) {
  const auto fill = [](Rows* rows, std::int64_t count, std::int64_t row) {
    CheckFits(static_cast<std::int64_t>(rows->size()) <= count);
    rows->resize(static_cast<std::size_t>(count), row);
  };
  for (std::size_t c = 0; c < room.sizes.cache_rows.size(); ++c) {
    const std::int64_t rows = room.sizes.cache_rows[c];
    const auto cache = static_cast<std::int64_t>(c);
    if (room.step.window > 0) {
      fill(&rings->read[cache], std::min(streams * room.step.window, rows), rows - 1);
    }
    if (room.step.append > 0) {
      const std::int64_t count = std::min(streams * room.step.append, rows);
      fill(&rings->written[cache], count, rows - 2 - room.spare_row);
      fill(&rings->sources[cache], count, 0);
    }
  }
}

}  // namespace

void CheckFits(bool fits) {
  if (!fits) throw runtime::StepDoesNotFit("a step that its graph has no room for");
}

Rings ReadRings(const std::vector<AttentionStream>& streams, std::int64_t new_keys,
                const Room* room) {
  Rings rings;
  for (const AttentionStream& s : streams) {
    Rows* read = s.count > 0 ? &rings.read[s.cache] : nullptr;
    for (std::int64_t t = 0; t < s.count; ++t) {
      read->push_back(s.first + (s.start + t) % s.capacity);
    }
    for (std::int64_t t = 0; t < s.append; ++t) {
      rings.written[s.cache].push_back(s.first + (s.start + s.count + t) % s.capacity);
      rings.sources[s.cache].push_back(s.first_key + t);
    }
  }
  if (room != nullptr) FillUp(*room, static_cast<std::int64_t>(streams.size()), &rings);
  // Caches are read one after the other, so that is how their rows stand.
  std::map<std::int64_t, std::int64_t> next;
  std::int64_t at = new_keys;
  for (const auto& [cache, rows] : rings.read) {
    next[cache] = at;
    at += static_cast<std::int64_t>(rows.size());
  }
  for (const AttentionStream& s : streams) {
    rings.first_read.push_back(s.count > 0 ? next[s.cache] : 0);
    if (s.count > 0) next[s.cache] += s.count;
  }
  return rings;
}

}  // namespace safeasr::asr
