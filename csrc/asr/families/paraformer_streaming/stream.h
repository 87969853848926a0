// One live stream of a streaming Paraformer: its options, and all that it remembers.
// Source: FunASR's ParaformerStreaming (funasr/models/paraformer_streaming/model.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/decode/streaming_cif.h"
#include "asr/features/online_frontend.h"
#include "asr/live/kv_ring.h"
#include "asr/live/slab_rows.h"
#include "core/runner.h"
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

// A stream as it is held from outside. Its requests run one after the other (core/lane.h); nothing
// else touches the state.
struct ParaformerStream {
  explicit ParaformerStream(StreamingOptions given) : options(given) { options.Check(); }
  const StreamingOptions options;
  ParaformerStreamState state;
};

// The next samples of a stream. Longer than a step: several steps, each in a batch of its own.
struct StreamRequest : core::Payload {
  StreamRequest(std::shared_ptr<ParaformerStream> to, std::vector<float> wave, bool final_chunk)
      : stream(std::move(to)), samples(std::move(wave)), is_final(final_chunk) {}

  const std::shared_ptr<ParaformerStream> stream;
  const std::vector<float> samples;  // mono, at the frontend's rate, [-1, 1]
  const bool is_final;               // the stream ends with these; the next call begins another

  // How far the request has come. The stream itself changes when the last step is done, so that a
  // request that fails leaves it as it was.
  struct Progress {
    bool started = false;
    ParaformerStreamState state;
    std::vector<float> wave;  // held samples, then the new ones
    std::size_t taken = 0;    // of `wave`
    std::size_t steps_left = 0;
    std::vector<std::int64_t> tokens;
  };
  Progress progress;  // a worker's, one at a time
};

}  // namespace safeasr::asr
