// One stream of audio on its way to segments.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "asr/vad_detector.h"
#include "asr/vad_model.h"

namespace safeasr::asr {

// All that a stream remembers between two pieces. Copying it forks the stream: the tensor is shared
// and never written to.
struct VadStreamState {
  OnlineFrontendState frontend;
  std::vector<float> held;  // samples that do not fill a chunk yet
  at::Tensor cache;         // of the scorer
  VadState decision;
};

// Decides on a block that was scored; returns what is to be reported. Scores: (rows, pdfs).
std::vector<VadSegment> Decide(const VadDetector& detector, VadState& state, const VadBlock& block,
                               const at::Tensor& scores);

// FunASR's streaming voice activity detection: samples in pieces of any length, segments as soon as
// they are known. For one caller at a time; streams share nothing but what is immutable.
class VadStream {
 public:
  // Throws std::invalid_argument for options that make no sense.
  VadStream(std::shared_ptr<const VadModel> model, VadOptions options, at::Device device);

  // Takes the next samples of the stream, also none. is_final ends the stream; the next call starts
  // another with the same options. On an error the stream is as it was before the call.
  std::vector<VadSegment> Accept(c10::ArrayRef<float> samples, bool is_final);

  const VadOptions& options() const { return detector_.options(); }

 private:
  VadStreamState Fresh() const;

  const std::shared_ptr<const VadModel> model_;
  const VadDetector detector_;
  const at::Device device_;
  VadStreamState state_;
};

}  // namespace safeasr::asr
