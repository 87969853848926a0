// Streaming Paraformer: one step of many streams at a time, whatever their ages and options.
#pragma once

#include <memory>
#include <vector>

#include "asr/paraformer_stream.h"
#include "core/runner.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Shapes that the programs were exported with.
struct StreamingShapes {
  std::int64_t encoder_layers = 0, encoder_size = 0;
  std::int64_t decoder_layers = 0, decoder_kernel = 0;
  std::int64_t cif_left = 1, cif_right = 1;  // rows that the predictor's convolution sees
  double tail_threshold = 0;
  double feature_scale = 1;  // factor on features before the first layer
  bool narrow = false;       // keys and values are bfloat16, else float32

  at::TensorOptions CacheOptions(at::Device device) const {
    return at::TensorOptions(narrow ? at::kBFloat16 : at::kFloat).device(device);
  }
};

class ParaformerStreamRunner : public core::Runner {
 public:
  // encoder, decoder: see python/safeasr/families/paraformer_streaming.py.
  ParaformerStreamRunner(std::shared_ptr<const OnlineFrontend> frontend,
                         std::shared_ptr<const runtime::Program> encoder,
                         std::shared_ptr<const runtime::Program> decoder, StreamingShapes shapes,
                         core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        shapes_(shapes) {}

  // Payloads are StreamRequests, results Transcripts. One step of each; a request with more steps
  // left is Unfinished().
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const override;

  const OnlineFrontend& frontend() const { return *frontend_; }

 private:
  struct Step;
  // Makes the request's own copy of the stream's state, the first time.
  void Begin(const StreamRequest& request) const;
  // The samples of the next step, and their features.
  void TakePiece(Step& step) const;
  // Returns the hidden rows of all steps; a step's tokens are then there.
  at::Tensor Encode(std::vector<Step>& steps, at::Device device) const;
  // A step's ids are then there.
  void Decode(std::vector<Step>& steps, const at::Tensor& hidden, at::Device device) const;

  const std::shared_ptr<const OnlineFrontend> frontend_;
  const std::shared_ptr<const runtime::Program> encoder_, decoder_;
  const StreamingShapes shapes_;
};

}  // namespace safeasr::asr
