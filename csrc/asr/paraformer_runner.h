// Offline Paraformer: features -> encoder program -> CIF -> decoder program -> token ids.
#pragma once

#include <memory>
#include <vector>

#include "asr/cif.h"
#include "asr/frontend.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "runtime/program.h"

namespace safeasr::asr {

class ParaformerRunner : public core::Runner {
 public:
  // encoder: (features (B, T, F), lengths (B)) -> (hidden (B, T, D), alphas (B, T))
  // decoder: (hidden, lengths, embeddings (B, U, D), token lengths (B)) -> ids (B, U) int64
  ParaformerRunner(std::shared_ptr<const Frontend> frontend,
                   std::shared_ptr<const runtime::Program> encoder,
                   std::shared_ptr<const runtime::Program> decoder, CifConfig cif,
                   core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        cif_(cif) {}

  // Payloads are Utterances, results Transcripts.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *frontend_; }

 private:
  const std::shared_ptr<const Frontend> frontend_;
  const std::shared_ptr<const runtime::Program> encoder_, decoder_;
  const CifConfig cif_;
};

}  // namespace safeasr::asr
