// Voice activity detection of whole recordings: features -> scorer program -> decisions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/vad_detector.h"
#include "asr/vad_model.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::asr {

struct VadRequest : core::Payload {
  // Throws std::invalid_argument for options that make no sense.
  VadRequest(std::vector<float> wave, VadOptions options, bool final_chunk)
      : samples(std::move(wave)), detector(std::move(options)), is_final(final_chunk) {}
  const std::vector<float> samples;  // mono, at the frontend's rate, [-1, 1]
  const VadDetector detector;
  const bool is_final;  // false: more could follow, so an open segment stays open
};

struct VadResult : core::Result {
  std::vector<VadSegment> segments;
};

class VadRunner : public core::Runner {
 public:
  VadRunner(std::shared_ptr<const VadModel> model, core::BatchLimits limits)
      : Runner(limits), model_(std::move(model)) {}

  // Payloads are VadRequests, results VadResults. Requests of one batch may have different options:
  // they share the scorer, not the decision.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const override;

  // What a request costs, in steps of 60 ms: the unit in which the limits count for recognisers.
  std::int64_t Cost(std::int64_t samples) const;

 private:
  const std::shared_ptr<const VadModel> model_;
};

}  // namespace safeasr::asr
