// Beam search of attention decoders, with CTC prefix scores beside the decoder's own; FunASR's
// `BeamSearch` (Watanabe et al., 2017). Knows no networks: who runs it brings the decoder's scores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "asr/decode/ctc_prefix.h"

namespace safeasr::asr {

struct BeamOptions {
  double ctc_weight = 0.5;  // the decoder's is the rest; a part whose weight is 0 is left out
  double token_bonus = 0;   // added for each token
  std::size_t beam_size = 10;
  // Most tokens, of the number of frames; 0: as many as there are frames, and it ends when longer
  // texts have long been worse; below 0: so many, whatever the number of frames.
  double max_length_ratio = 0;
};

// What a model has.
struct BeamTokens {
  std::int64_t sos = 1, eos = 2;
  std::size_t count = 0;
  bool decoder = true;       // there is one
  bool choose_first = true;  // CTC scores only the tokens that the other parts like best
};

struct BeamHypothesis {
  std::vector<std::int64_t> tokens;  // with beginning and end
  float score = 0;
};

class BeamSearch {
 public:
  // ctc: empty for models that have none; kept, and of at least one frame. frames: of the encoder.
  BeamSearch(std::optional<CtcScores> ctc, std::size_t frames, const BeamTokens& tokens,
             const BeamOptions& options);

  // Whether the decoder's scores are looked at.
  bool uses_decoder() const { return decoder_weight_ != 0; }
  bool done() const { return done_; }
  // Hypotheses that go on, and each one's last token.
  std::size_t running() const { return running_.size(); }
  std::int64_t last_token(std::size_t i) const { return running_[i].text.tokens.back(); }
  // Steps so far: tokens of each running hypothesis, without the beginning.
  std::size_t steps() const { return steps_; }

  // What one step found; nothing has changed yet.
  struct Step {
    // Of the hypotheses that go on: which one each came from.
    std::vector<std::int64_t> parents;

   private:
    friend class BeamSearch;
    struct Running {
      BeamHypothesis text;
      std::shared_ptr<const CtcPrefix> prefix;
    };
    std::vector<Running> running_;
    std::vector<BeamHypothesis> ended_;  // in this step
    bool done_ = false;
  };

  // One more token for each running hypothesis. decoder: log probabilities (running, count), rows
  // one behind the other; null unless uses_decoder().
  Step Try(const float* decoder) const;

  // Makes it so. Cannot fail.
  void Take(Step&& step) noexcept;

  // The best finished hypotheses, best first. After done().
  std::vector<BeamHypothesis> Best(std::size_t most) const;

 private:
  struct Candidate;
  std::vector<Candidate> Candidates(std::size_t parent, const float* decoder) const;
  bool EndDetected(const std::vector<BeamHypothesis>& ended) const;

  const std::optional<CtcPrefixScorer> scorer_;
  const BeamTokens tokens_;
  const BeamOptions options_;
  const float ctc_weight_, decoder_weight_;
  const std::size_t most_;  // tokens
  std::vector<Step::Running> running_;
  std::vector<BeamHypothesis> ended_;
  std::size_t steps_ = 0;
  bool done_ = false;
};

}  // namespace safeasr::asr
