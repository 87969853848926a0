// CTC networks: features -> program -> the best token of each row -> tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/features/frontend.h"
#include "asr/subsampled_batch.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "runtime/program.h"

namespace safeasr::asr {

class CtcRunner : public core::Runner {
 public:
  // program: (what Subsampled gives) -> ids (rows) int64; those of padding rows mean nothing.
  CtcRunner(std::shared_ptr<const Frontend> frontend,
            std::shared_ptr<const runtime::Program> program, EncoderShape shape, std::int64_t blank,
            core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        program_(std::move(program)),
        shape_(std::move(shape)),
        blank_(blank) {}

  // Payloads are Utterances, results Transcripts; without tokens for an utterance that is too short
  // for the encoder.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *frontend_; }
  const EncoderShape& shape() const { return shape_; }

 private:
  const std::shared_ptr<const Frontend> frontend_;
  const std::shared_ptr<const runtime::Program> program_;
  const EncoderShape shape_;
  const std::int64_t blank_;
};

}  // namespace safeasr::asr
