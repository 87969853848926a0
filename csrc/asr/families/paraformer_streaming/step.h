// A step of a stream while it is worked out; for the files of ParaformerStreamRunner.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "asr/decode/streaming_cif.h"
#include "asr/families/paraformer_streaming/stream.h"

namespace safeasr::asr {

// Rows of a mixed batch are padded to multiples of these; see RowStep.
constexpr std::int64_t kStepRows = 8;
constexpr std::int64_t kStepTokens = 2;  // there are few, and each costs

// One stream's part of a batch, worked out on a copy of its state.
struct StreamStep {
  explicit StreamStep(PieceOf<ParaformerStream>& of)
      : request(*of.request), next(of.next), ids(of.found) {}

  const ParaformerStreamRequest& request;
  ParaformerStreamState& next;
  std::vector<std::int64_t>& ids;
  bool is_final = false;  // of the stream
  bool tail = false;      // no features of its own: the overlap is decided, and that is all
  at::Tensor features;    // (new rows, feature size)
  std::int64_t first_row = 0, rows = 0;  // in the batch
  CifTokens tokens;                      // on a device without embeddings

  const StreamingOptions& options() const { return request.stream->options; }
  std::int64_t overlap() const { return options().left + options().right; }
};

// What the encoder gives for all steps.
struct EncodedSteps {
  at::Tensor hidden;      // (rows, size)
  at::Tensor embeddings;  // (tokens of all steps, size)
  // On a device, what goes into the next chunks' sums: (steps, size). Fetched with the ids.
  at::Tensor carries;
};

}  // namespace safeasr::asr
