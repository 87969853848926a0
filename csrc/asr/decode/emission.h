// Emissions: what CTC networks give of an utterance, kept for whoever wants to align it later.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "asr/decode/ctc_align.h"
#include "core/ticket.h"

namespace safeasr::asr {

// Log probabilities of an utterance's frames, for alignment; immutable.
class CtcEmission {
 public:
  // log_probs: (frames, classes) float32 on the CPU, contiguous.
  CtcEmission(at::Tensor log_probs, std::int64_t blank)
      : log_probs_(std::move(log_probs)), blank_(blank) {}

  // As CtcAlign. Thread-safe.
  std::vector<CtcSpan> Align(const std::vector<std::int64_t>& targets) const {
    return CtcAlign({log_probs_.data_ptr<float>(), static_cast<std::size_t>(log_probs_.size(0)),
                     static_cast<std::size_t>(log_probs_.size(1))},
                    targets, blank_);
  }

  std::int64_t frames() const { return log_probs_.size(0); }

 private:
  const at::Tensor log_probs_;
  const std::int64_t blank_;
};

struct CtcTranscript : core::Result {
  std::vector<std::int64_t> tokens;             // ids, collapsed, without blanks
  std::shared_ptr<const CtcEmission> emission;  // of the frames without the queries, if wanted
};

}  // namespace safeasr::asr
