// CTC-attention hybrids: features -> encoder program -> beam search over the decoder program's
// steps, with CTC prefix scores.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/decode/ctc_beam.h"
#include "asr/families/ctc_attention/progress.h"
#include "asr/features/frontend.h"
#include "asr/subsampled_batch.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "runtime/device_context.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Options of an utterance are its own: a batch may mix them.
struct BeamUtterance : Utterance {
  BeamOptions options;
  std::size_t best = 1;                    // how many texts are wanted
  std::unique_ptr<BeamProgress> progress;  // how far its search has come
};

// The texts of an utterance, best first.
struct BeamTranscript : core::Result {
  std::vector<BeamHypothesis> texts;
};

struct CtcAttentionModel {
  std::shared_ptr<const Frontend> frontend;
  // (what Subsampled gives) -> (log probabilities (rows, V) float32, memory (layers, 2, rows, D):
  // what the decoder's layers attend to). V is 0 in networks without CTC, and there are no layers
  // in networks without a decoder.
  std::shared_ptr<const runtime::Program> encoder;
  // (tokens (n) int64, positions (n) float32 from 0, offsets (hypotheses + 1), caches, spans,
  // groups (utterances + 1) in the hypotheses, memories, spans of memories) -> log probabilities
  // (n, V) float32; caches and spans as in ragged_attention.h. Or, of decoders that remember by
  // filters, past and next in place of caches and spans, as in ragged_memory.h. Null in networks
  // without a decoder.
  std::shared_ptr<const runtime::Program> decoder;
  EncoderShape shape;
  BeamTokens tokens;
  TokenMemory memory;
};

// A call is one step of every utterance that has begun, and what comes before the first step of
// those that have not: so recordings of any lengths share the decoder's steps, and who comes later
// joins at the next one.
class CtcAttentionRunner : public core::Runner {
 public:
  CtcAttentionRunner(CtcAttentionModel model, core::BatchLimits limits)
      : Runner(limits), model_(std::move(model)) {}

  // Payloads are BeamUtterances, results BeamTranscripts; no text at all for an utterance that is
  // too short for the encoder.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *model_.frontend; }
  const EncoderShape& shape() const { return model_.shape; }

 private:
  void Begin(runtime::DeviceContext& context, const std::vector<BeamUtterance*>& batch) const;
  void Step(runtime::DeviceContext& context, const std::vector<BeamUtterance*>& batch) const;
  // The decoder's scores (hypotheses, V) on the host, of those whose search looks at them.
  at::Tensor Decode(runtime::DeviceContext& context,
                    const std::vector<BeamUtterance*>& batch) const;

  const CtcAttentionModel model_;
};

}  // namespace safeasr::asr
