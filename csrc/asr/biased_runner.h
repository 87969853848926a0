// Paraformers whose tokens depend on hotwords: what their runners have in common.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "asr/hotword_list.h"
#include "asr/paraformer_runner.h"

namespace safeasr::asr {

struct BiasedUtterance : Utterance {
  std::shared_ptr<const HotwordList> hotwords;  // null: none, where the family knows that
  float bias_scale = 1;                         // how much hotwords count, where the family asks
};

class BiasedRunner : public ParaformerRunner {
 public:
  // bias_encoder: (ids (n), offsets (words + 1), last (words)) -> rows (words, D): a word by its
  // last piece. The rest as of ParaformerRunner. Payloads are BiasedUtterances.
  BiasedRunner(std::shared_ptr<const Frontend> frontend,
               std::shared_ptr<const runtime::Program> encoder,
               std::shared_ptr<const runtime::Program> decoder,
               std::shared_ptr<const runtime::Program> bias_encoder,
               const ParaformerPredictor& predictor, core::BatchLimits limits)
      : ParaformerRunner(std::move(frontend), std::move(encoder), std::move(decoder), predictor,
                         limits),
        bias_encoder_(std::move(bias_encoder)) {}

 protected:
  // An utterance with hotwords.
  struct Biased {
    std::int64_t first, count;  // its tokens
    const HotwordList* list;
    at::Tensor rows;                   // (words, D) float32 on the CPU, of the whole list
    std::vector<std::int64_t> chosen;  // rows that count; empty: all
    float scale;

    std::int64_t seen() const {
      return chosen.empty() ? list->size() : static_cast<std::int64_t>(chosen.size());
    }
  };

  // Words of a run, each list or choice once, and which of them each utterance sees.
  struct Memory {
    // passes: how often the utterances go through the decoder, one pass behind the other.
    Memory(const std::vector<Biased>& utterances, std::size_t passes);

    // The words with padding behind them, on the context's device.
    at::Tensor Upload(const runtime::DeviceContext& context) const;

    at::Tensor words;                // (words, D) on the CPU
    std::vector<std::int64_t> seen;  // rows of them, of all utterances and passes
    at::Tensor offsets;              // where each utterance's begin
  };

  // The utterances that have hotwords, with their lists encoded.
  std::vector<Biased> WithHotwords(runtime::DeviceContext& context, const Fired& fired) const;

 private:
  at::Tensor Encode(runtime::DeviceContext& context, const HotwordList& list) const;

  const std::shared_ptr<const runtime::Program> bias_encoder_;
};

}  // namespace safeasr::asr
