// Offline Paraformers: features -> encoder program -> CIF -> decoder program -> token ids.
#pragma once

#include <memory>
#include <vector>

#include "asr/decode/cif.h"
#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "runtime/device_context.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Settings of the predictor.
struct ParaformerPredictor {
  CifConfig cif;
  CifSpan span;
  // Steps of the head that times are told by, for each row of the encoder; 0: there is no such
  // head.
  std::int64_t upsampled = 0;
};

class ParaformerRunner : public core::Runner {
 public:
  // Batches are ragged, the rows of all utterances one below the other:
  // encoder: (features (rows, F), positions (rows), offsets (B + 1), neighbours (rows, span)) ->
  //          (hidden (rows, D), alphas (rows)), with an upsampled head also its weights
  //          (rows * upsampled)
  // decoder: (embeddings (tokens, D), offsets (B + 1), hidden, hidden offsets (B + 1)) ->
  //          ids (tokens) int64
  ParaformerRunner(std::shared_ptr<const Frontend> frontend,
                   std::shared_ptr<const runtime::Program> encoder,
                   std::shared_ptr<const runtime::Program> decoder,
                   const ParaformerPredictor& predictor, core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        predictor_(predictor) {}

  // Payloads are Utterances, results Transcripts. With an upsampled head their weights and peaks
  // are the head's, scaled, and empty where there are no tokens.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *frontend_; }

 protected:
  // What a batch's tokens are made of.
  struct Fired {
    const std::vector<const Utterance*>& utterances;
    std::vector<std::int64_t> offsets;  // (B + 1) into the tokens; there is at least one
    at::Tensor embeddings;              // (tokens and padding, D)
    at::Tensor hidden;                  // (rows, D)
    at::Tensor hidden_offsets;          // (B + 1) int64 on the CPU
  };

  // The ids (tokens and padding) int64 of a batch's tokens, where the embeddings are. A family
  // whose decoder takes more has a class of its own.
  virtual at::Tensor Decode(runtime::DeviceContext& context, const Fired& fired) const;

  const runtime::Program& decoder() const { return *decoder_; }

 private:
  const std::shared_ptr<const Frontend> frontend_;
  const std::shared_ptr<const runtime::Program> encoder_, decoder_;
  const ParaformerPredictor predictor_;
};

}  // namespace safeasr::asr
