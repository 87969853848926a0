// Offline Paraformer: features -> encoder program -> CIF -> decoder program -> token ids.
#pragma once

#include <memory>
#include <vector>

#include "asr/decode/cif.h"
#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "runtime/program.h"

namespace safeasr::asr {

class ParaformerRunner : public core::Runner {
 public:
  // Batches are ragged, the rows of all utterances one below the other:
  // encoder: (features (rows, F), positions (rows), offsets (B + 1), neighbours (rows, span)) ->
  //          (hidden (rows, D), alphas (rows))
  // decoder: (embeddings (tokens, D), offsets (B + 1), hidden, hidden offsets (B + 1)) ->
  //          ids (tokens) int64
  ParaformerRunner(std::shared_ptr<const Frontend> frontend,
                   std::shared_ptr<const runtime::Program> encoder,
                   std::shared_ptr<const runtime::Program> decoder, CifConfig cif, CifSpan cif_span,
                   core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        cif_(cif),
        cif_span_(cif_span) {}

  // Payloads are Utterances, results Transcripts.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *frontend_; }

 private:
  const std::shared_ptr<const Frontend> frontend_;
  const std::shared_ptr<const runtime::Program> encoder_, decoder_;
  const CifConfig cif_;
  const CifSpan cif_span_;
};

}  // namespace safeasr::asr
