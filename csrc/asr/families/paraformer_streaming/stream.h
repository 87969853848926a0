// One live stream of a streaming Paraformer: its options, and all that it remembers.
// Source: FunASR's ParaformerStreaming (funasr/models/paraformer_streaming/model.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/decode/streaming_cif.h"
#include "asr/features/online_frontend.h"
#include "asr/live/kv_ring.h"
#include "asr/live/slab_rows.h"
#include "asr/live/stream_request.h"
#include "core/ticket.h"

namespace safeasr::asr {

// FunASR's chunk_size=[left, chunk, right] in rows of 60 ms, and how many chunks back is looked.
struct StreamingOptions {
  std::int64_t left = 0;    // rows before the chunk that are run again with it
  std::int64_t chunk = 10;  // rows of the chunk: what a step is made of
  std::int64_t right = 5;   // rows after the chunk that are looked at before it is decided
  std::int64_t encoder_look_back = 0;  // chunks; -1: all
  std::int64_t decoder_look_back = 0;  // chunks; as in FunASR, -1 is none here

  // Throws std::invalid_argument.
  void Check() const;
  bool operator==(const StreamingOptions& other) const {
    return left == other.left && chunk == other.chunk && right == other.right &&
           encoder_look_back == other.encoder_look_back &&
           decoder_look_back == other.decoder_look_back;
  }
  // Samples of a step. As in FunASR, 960 a row at any sample rate.
  std::size_t StepSamples() const { return static_cast<std::size_t>(chunk) * 960; }
};

// A plain value. Copying it forks the stream; the tensors are shared and what they hold for the
// copy is never written to.
struct ParaformerStreamState {
  OnlineFrontendState frontend;
  std::vector<float> held;  // samples that do not fill a step yet
  std::int64_t rows = 0;    // of features, so far
  at::Tensor overlap;       // (left + right, feature size) the last rows, embedded; none: zeros
  SlabRows overlap_rows;    // instead, on a device
  CifCarry cif;
  bool attended = false;  // the encoder has seen a chunk
  KvRing encoder, decoder;
  at::Tensor memory;     // (layers, kernel - 1, size) of the decoder; none: zeros
  SlabRows memory_rows;  // instead, on a device

  // Gives this copy everything of its own that a second step could write to.
  void Detach();
};

struct StreamTokens : core::Result {
  std::vector<std::int64_t> tokens;  // ids as the network gave them, nothing filtered
};

// A stream as it is held from outside. A request longer than a step takes several, each in a batch
// of its own.
struct ParaformerStream {
  using State = ParaformerStreamState;
  using Item = std::int64_t;

  explicit ParaformerStream(StreamingOptions given) : options(given) { options.Check(); }
  State Fresh() const { return {}; }
  static std::shared_ptr<const core::Result> MakeResult(std::vector<std::int64_t> tokens) {
    auto result = std::make_shared<StreamTokens>();
    result->tokens = std::move(tokens);
    return result;
  }

  const StreamingOptions options;
  State state;
};

using ParaformerStreamRequest = StreamRequest<ParaformerStream>;

}  // namespace safeasr::asr
