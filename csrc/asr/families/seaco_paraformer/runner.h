// SeACo-Paraformer: a Paraformer whose tokens a second decoder corrects by a list of hotwords.
// Source: Shi et al., 2023 (https://arxiv.org/abs/2308.03266); FunASR's SeacoParaformer.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "asr/biased_runner.h"

namespace safeasr::asr {

class SeacoRunner : public BiasedRunner {
 public:
  struct Programs {
    // As of BiasedRunner; decoder gives (ids (tokens), hidden (tokens, D)).
    std::shared_ptr<const runtime::Program> encoder, decoder, bias_encoder;
    // See python/safeasr/families/seaco_paraformer/network.py.
    std::shared_ptr<const runtime::Program> bias_decoder;
  };

  // most_words: of longer lists each utterance is corrected by as many as it attends to most.
  // Utterances without a list are not corrected.
  SeacoRunner(std::shared_ptr<const Frontend> frontend, Programs programs,
              const ParaformerPredictor& predictor, std::int64_t most_words,
              core::BatchLimits limits)
      : BiasedRunner(std::move(frontend), std::move(programs.encoder), std::move(programs.decoder),
                     std::move(programs.bias_encoder), predictor, limits),
        bias_decoder_(std::move(programs.bias_decoder)),
        most_words_(most_words) {}

 protected:
  at::Tensor Decode(runtime::DeviceContext& context, const Fired& fired) const override;

 private:
  struct Tokens;

  // For utterances whose lists are too long: the words that they attend to most, and the last one.
  void Filter(runtime::DeviceContext& context, const Tokens& tokens,
              std::vector<Biased>* utterances) const;
  std::vector<at::Tensor> RunBiasDecoder(runtime::DeviceContext& context, const Tokens& tokens,
                                         const std::vector<Biased>& utterances, bool filter) const;

  const std::shared_ptr<const runtime::Program> bias_decoder_;
  const std::int64_t most_words_;
};

}  // namespace safeasr::asr
