// CTC prefix scores (Watanabe et al., 2017, "Hybrid CTC/Attention Architecture for End-to-End
// Speech Recognition", algorithm 2): how likely a text begins with given tokens, whatever follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace safeasr::asr {

// Log probabilities of an utterance's frames; somebody else keeps them.
struct CtcScores {
  const float* log_probs;  // (frames, classes)
  std::size_t frames, classes;
};

// The tokens so far, as the scorer sees them.
struct CtcPrefix {
  // For each frame the log probability of all paths up to it that spell the tokens and end with the
  // last one, and of those that end with a blank.
  std::vector<float> token_last, blank_last;
  std::size_t length = 0;  // tokens
  std::int64_t last = -1;  // token; -1: none
  float score = 0;         // log probability that the text begins with them
};

// Token 0 is the blank, which no text has. Numbers are float32, as in FunASR, and what is
// impossible is -1e10.
class CtcPrefixScorer {
 public:
  static constexpr std::int64_t kBlank = 0;
  static constexpr float kImpossible = -1e10f;

  // scores: of at least one frame. eos: scored by whether the text ends here.
  CtcPrefixScorer(CtcScores scores, std::int64_t eos) : scores_(scores), eos_(eos) {}

  // No token yet.
  CtcPrefix Empty() const;

  // The log probability that the text begins with the prefix and each of the tokens.
  std::vector<float> Score(const CtcPrefix& prefix, const std::vector<std::int64_t>& tokens) const;

  // The prefix with one more token, whose Score was `score`.
  CtcPrefix Extend(const CtcPrefix& prefix, std::int64_t token, float score) const;

 private:
  const CtcScores scores_;
  const std::int64_t eos_;
};

}  // namespace safeasr::asr
