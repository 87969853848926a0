// One stream of audio on its way to segments.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "asr/decode/vad_detector.h"
#include "asr/families/fsmn_vad/model.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::asr {

// All that a stream remembers between two pieces. Copying it forks the stream: the tensor is shared
// and never written to.
struct VadStreamState {
  OnlineFrontendState frontend;
  std::vector<float> held;  // samples that do not fill a chunk yet
  at::Tensor cache;         // of the scorer; none: zeros
  VadState decision;
};

// A stream as it is held from outside. Its requests run one after the other (core/lane.h); nothing
// else touches the state. A recording is a stream of one request.
struct VadStream {
  // Throws std::invalid_argument for options that make no sense.
  explicit VadStream(VadOptions options) : detector(std::move(options)) { Restart(); }
  void Restart() {
    VadStreamState fresh;
    fresh.decision = detector.Start();
    state = std::move(fresh);
  }

  const VadDetector detector;
  VadStreamState state;
};

// The next samples of a stream.
struct VadRequest : core::Payload {
  VadRequest(std::shared_ptr<VadStream> to, std::vector<float> wave, bool final_chunk)
      : stream(std::move(to)), samples(std::move(wave)), is_final(final_chunk) {}

  const std::shared_ptr<VadStream> stream;
  const std::vector<float> samples;  // mono, at the frontend's rate, [-1, 1]
  const bool is_final;               // the stream ends with these; the next call begins another

  // How far the request has come. The stream itself changes when all is done, so that a request
  // that fails leaves it as it was.
  struct Progress {
    bool started = false;
    VadStreamState state;
    std::vector<float> wave;  // held samples, then the new ones
    std::size_t taken = 0;    // of `wave`
    std::vector<VadSegment> segments;
  };
  Progress progress;  // a worker's, one at a time
};

struct VadResult : core::Result {
  std::vector<VadSegment> segments;
};

}  // namespace safeasr::asr
