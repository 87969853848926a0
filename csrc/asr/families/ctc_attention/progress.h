// How far the search of an utterance has come, and what its decoder remembers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "asr/decode/ctc_beam.h"

namespace safeasr::asr {

// How a decoder remembers the tokens of a hypothesis.
struct TokenMemory {
  // 0: by keys and values of all of them, which its layers attend to. Otherwise so many layers
  // remember what their filters saw last, `rows` of `size`.
  std::int64_t layers = 0, rows = 0, size = 0;
};

// What a decoder's program takes of the hypotheses that step together.
struct RememberedTokens {
  std::vector<at::Tensor> caches;      // of attention: one each, or one for all of an utterance
  std::vector<std::int64_t> spans;     // of attention: see ragged_attention.h
  std::vector<at::Tensor> past, next;  // of filters: one each; see ragged_memory.h
};

// What an utterance's hypotheses remember of their tokens, on the device that decodes them.
class BeamMemory {
 public:
  BeamMemory() = default;
  // Of one hypothesis without tokens. sound: what the decoder attends to (layers, 2, rows, D).
  BeamMemory(const TokenMemory& kind, const at::Tensor& sound);

  // Of a step that adds a token to each hypothesis. number: of the utterance among those that step
  // together.
  void AddTo(std::int64_t number, RememberedTokens* all) const;

  // After a step: what those hypotheses remember that go on, named by those that they come from.
  BeamMemory After(const std::vector<std::int64_t>& parents) const;

 private:
  // Of attention (hypotheses, layers, 2, capacity, D), a cache each; or where one launch reads them
  // all (layers, 2, hypotheses, capacity, D), one for all. Of filters (hypotheses, layers, rows,
  // size), and what the step at hand writes.
  at::Tensor rows_, written_;
  std::int64_t axis_ = 0;  // of hypotheses
  std::int64_t used_ = 0;  // rows of each, of attention
};

struct BeamProgress {
  at::Tensor log_probs;  // (rows, V) float32 on the CPU, which the search reads
  at::Tensor sound;      // (layers, 2, rows, D)
  BeamSearch search;
  BeamMemory memory;
  // Of the step before. A worker's stream may read it until the worker has waited for the stream,
  // and what another worker's stream allocated must not be let go of before.
  BeamMemory former;
};

}  // namespace safeasr::asr
