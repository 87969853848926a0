// SeACo-Paraformer: a Paraformer whose tokens a second decoder corrects by a list of hotwords.
// Source: Shi et al., 2023 (https://arxiv.org/abs/2308.03266); FunASR's SeacoParaformer.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "asr/families/paraformer/runner.h"
#include "asr/families/seaco_paraformer/hotwords.h"

namespace safeasr::asr {

struct BiasedUtterance : Utterance {
  std::shared_ptr<const HotwordList> hotwords;  // or null: nothing is corrected
};

class SeacoRunner : public ParaformerRunner {
 public:
  struct Programs {
    // As of ParaformerRunner; decoder gives (ids (tokens), hidden (tokens, D)).
    std::shared_ptr<const runtime::Program> encoder, decoder;
    // (ids (n), offsets (words + 1), last (words)) -> rows (words, D): a word by its last piece.
    std::shared_ptr<const runtime::Program> bias_encoder;
    // See python/safeasr/families/seaco_paraformer/network.py.
    std::shared_ptr<const runtime::Program> bias_decoder;
  };

  // most_words: of longer lists each utterance is corrected by as many as it attends to most.
  SeacoRunner(std::shared_ptr<const Frontend> frontend, Programs programs,
              const ParaformerPredictor& predictor, std::int64_t most_words,
              core::BatchLimits limits)
      : ParaformerRunner(std::move(frontend), std::move(programs.encoder),
                         std::move(programs.decoder), predictor, limits),
        bias_encoder_(std::move(programs.bias_encoder)),
        bias_decoder_(std::move(programs.bias_decoder)),
        most_words_(most_words) {}

 protected:
  // Payloads are BiasedUtterances.
  at::Tensor Decode(runtime::DeviceContext& context, const Fired& fired) const override;

 private:
  struct Biased;
  struct Memory;
  struct Tokens;

  at::Tensor Encode(runtime::DeviceContext& context, const HotwordList& list) const;
  // For utterances whose lists are too long: the words that they attend to most, and the last one.
  void Filter(runtime::DeviceContext& context, const Tokens& tokens,
              std::vector<Biased>* utterances) const;
  std::vector<at::Tensor> RunBiasDecoder(runtime::DeviceContext& context, const Tokens& tokens,
                                         const std::vector<Biased>& utterances, bool filter) const;

  const std::shared_ptr<const runtime::Program> bias_encoder_, bias_decoder_;
  const std::int64_t most_words_;
};

}  // namespace safeasr::asr
