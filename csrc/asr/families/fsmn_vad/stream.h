// One stream of audio on its way to segments.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>
#include <vector>

#include "asr/decode/vad_detector.h"
#include "asr/families/fsmn_vad/model.h"
#include "asr/live/stream_request.h"
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

struct VadResult : core::Result {
  std::vector<VadSegment> segments;
};

// A stream as it is held from outside. A recording is a stream of one request.
struct VadStream {
  using State = VadStreamState;
  using Item = VadSegment;

  // Throws std::invalid_argument for options that make no sense.
  explicit VadStream(VadOptions options) : detector(std::move(options)), state(Fresh()) {}

  State Fresh() const {
    State fresh;
    fresh.decision = detector.Start();
    return fresh;
  }
  static std::shared_ptr<const core::Result> MakeResult(std::vector<VadSegment> segments) {
    auto result = std::make_shared<VadResult>();
    result->segments = std::move(segments);
    return result;
  }

  const VadDetector detector;
  State state;
};

using VadRequest = StreamRequest<VadStream>;

}  // namespace safeasr::asr
