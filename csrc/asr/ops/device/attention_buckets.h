// Which streams of a batch attend together, padded to the longest of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "asr/ops/device/attention_plan.h"

namespace safeasr::asr {

// Rows that a stream's queries attend to: those in its ring, and its own.
inline std::int64_t KeysOf(const AttentionStream& s) { return s.count + s.keys; }

// Numbers of the streams that ask and can be answered, those of similar numbers of keys together:
// padding at most doubles a bucket.
std::vector<std::vector<std::size_t>> BucketStreams(const std::vector<AttentionStream>& streams);

}  // namespace safeasr::asr
