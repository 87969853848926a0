// ContextualParaformer: a Paraformer whose last decoder layer attends to hotwords too.
// Source: FunASR's ContextualParaformer (CLAS, Pundak et al., 2018).
#pragma once

#include "asr/biased_runner.h"

namespace safeasr::asr {

class ContextualRunner : public BiasedRunner {
 public:
  // As of BiasedRunner; decoder takes also the hotwords (words, D), which of them each utterance
  // sees, where an utterance's begin among those, and how much they count for each token
  // (tokens) float32. Every utterance has hotwords.
  using BiasedRunner::BiasedRunner;

 protected:
  at::Tensor Decode(runtime::DeviceContext& context, const Fired& fired) const override;
};

}  // namespace safeasr::asr
