// SenseVoice: features and four query tokens -> program -> the best token of each frame -> tokens.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/decode/emission.h"
#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "core/ticket.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Rows that the program puts before the features: language, event, emotion, text form.
constexpr std::int64_t kSenseVoiceQueries = 4;

// Options of an utterance are its own: a batch may mix them.
struct SenseVoiceUtterance : Utterance {
  std::array<std::int64_t, kSenseVoiceQueries> queries{};  // rows of the program's embedding
  bool ban_unknown_emotion = false;  // the token for an unknown emotion is never the best one
};

class SenseVoiceRunner : public core::Runner {
 public:
  // program: see python/safeasr/families/sense_voice/network.py. Ids of padding rows mean nothing;
  // log probabilities are those of the frames of the wanted utterances, without queries.
  SenseVoiceRunner(std::shared_ptr<const Frontend> frontend,
                   std::shared_ptr<const runtime::Program> program, std::int64_t blank,
                   core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        program_(std::move(program)),
        blank_(blank) {}

  // Payloads are SenseVoiceUtterances, results CtcTranscripts.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const Frontend& frontend() const { return *frontend_; }

 private:
  const std::shared_ptr<const Frontend> frontend_;
  const std::shared_ptr<const runtime::Program> program_;
  const std::int64_t blank_;
};

}  // namespace safeasr::asr
