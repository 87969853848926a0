// PrefixBeam: the most probable sequences of tokens, frame by frame; for ctc_keywords.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace safeasr::asr {

// A token of a frame, and how probable it is.
struct FrameToken {
  std::int64_t id = 0;
  double probability = 0;
};

class PrefixBeam {
 public:
  // width: sequences that are kept after each frame. The blank is token 0.
  explicit PrefixBeam(std::size_t width);

  // The next frame: what it may say, best first; one token at least, none twice.
  void Accept(const std::vector<FrameToken>& tokens);

  // A sequence, and the best probability that each of its tokens had.
  struct Sequence {
    std::vector<std::int64_t> ids;
    std::vector<double> probabilities;
  };
  // How many there are, and one of them: 0 is the most probable. Before the first frame, the empty
  // one.
  std::size_t size() const { return beam_.size(); }
  Sequence At(std::size_t place) const;

  // What is remembered; it grows with the lengths of the sequences, not with the frames.
  std::size_t links() const { return prefixes_.size() + peaks_.size(); }

 private:
  using Link = std::int32_t;  // -1: none

  // Prefixes form a tree in which each stands once, so that equal ones have the same number. The
  // first is the empty one.
  struct Prefix {
    Link parent = -1;
    std::int64_t id = 0;
    std::int64_t frame = 0;  // the last in which it was a candidate, from 1, and its place there
    std::size_t place = 0;
  };
  // The best probability of the last token, behind those of the tokens before. Sequences share what
  // they took over from each other, as in FunASR: one that raises it does so for all.
  struct Peak {
    Link parent = -1;
    double probability = 0;
  };
  struct Hypothesis {
    Link prefix = 0, peak = -1;
    double blank = 0, token = 0;  // probability of ending with a blank, and with the last token
    double total() const { return blank + token; }
  };

  // What comes of a hypothesis if the frame says this token.
  void Say(const FrameToken& token, const Hypothesis& from);
  // The candidate of this frame with that prefix; a new one has no probability yet.
  Hypothesis& Candidate(Link prefix);
  Link Extended(Link prefix, std::int64_t id);
  Link NewPeak(Link before, double probability);
  void Raise(Link peak, double probability);
  void DropUnused();
  // Leaves out what is neither used nor before something that is; returns the new numbers.
  template <class Kept>
  static std::vector<Link> Compact(std::vector<Kept>& links, std::vector<bool> used);

  const std::size_t width_;
  std::int64_t frame_ = 0;
  std::vector<Hypothesis> beam_, next_;
  std::vector<Prefix> prefixes_;
  std::vector<Peak> peaks_;
  std::map<std::pair<Link, std::int64_t>, Link> children_;
  std::size_t links_after_drop_ = 0;
};

}  // namespace safeasr::asr
