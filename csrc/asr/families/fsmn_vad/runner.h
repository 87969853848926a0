// Voice activity detection: features -> scorer program -> decisions, of many streams at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/families/fsmn_vad/model.h"
#include "asr/families/fsmn_vad/stream.h"
#include "core/runner.h"

namespace safeasr::asr {

class VadRunner : public core::Runner {
 public:
  VadRunner(std::shared_ptr<const VadModel> model, core::BatchLimits limits)
      : Runner(limits), model_(std::move(model)) {}

  // Payloads are VadRequests, results VadResults. About a minute of each at a time; a request with
  // more is Unfinished(). Streams of one batch may have different options: they share the scorer,
  // not the decision.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  // What a request costs, in steps of 60 ms: the unit in which the limits count for recognisers.
  std::int64_t Cost(std::int64_t samples) const;

 private:
  const std::shared_ptr<const VadModel> model_;
};

}  // namespace safeasr::asr
