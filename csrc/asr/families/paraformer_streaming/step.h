// A step of a stream while it is worked out; for the files of ParaformerStreamRunner.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "asr/families/paraformer_streaming/runner.h"

namespace safeasr::asr {

// One stream's part of a batch, worked out on a copy of its state.
struct ParaformerStreamRunner::Step {
  StreamRequest* request;
  ParaformerStreamState next;
  std::size_t taken = 0;  // of the request's wave, after this step
  bool is_final = false;  // of the stream
  bool tail = false;      // no features of its own: the overlap is decided, and that is all
  at::Tensor features;    // (new rows, feature size)
  std::int64_t first_row = 0, rows = 0;  // in the batch
  CifTokens tokens;                      // on a device without embeddings
  std::vector<std::int64_t> ids;

  const StreamingOptions& options() const { return request->stream->options; }
  std::int64_t overlap() const { return options().left + options().right; }
};

// What the encoder gives for all steps.
struct ParaformerStreamRunner::Encoded {
  at::Tensor hidden;      // (rows, size)
  at::Tensor embeddings;  // (tokens of all steps, size)
  // On a device, what goes into the next chunks' sums: (steps, size). Fetched with the ids.
  at::Tensor carries;
};

}  // namespace safeasr::asr
