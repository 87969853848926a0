// Where rows of rings stand, for plans of attention.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "asr/ops/device/attention_plan.h"
#include "runtime/graph_lists.h"

namespace safeasr::asr {

using Rows = std::vector<std::int64_t>;

// The streams' rows in their rings, and where those stand behind the batch's keys once read.
struct Rings {
  std::map<std::int64_t, Rows> read, written, sources;  // by cache
  Rows first_read;                                      // of each stream
};

// What a graph has room for.
struct Room {
  runtime::GraphRoom step;
  AttentionSizes sizes;
  std::int64_t spare_row;
};

// Throws runtime::StepDoesNotFit if it does not.
void CheckFits(bool fits);

// room: as many rows of each cache as it leaves room for; may be null.
Rings ReadRings(const std::vector<AttentionStream>& streams, std::int64_t new_keys,
                const Room* room);

}  // namespace safeasr::asr
