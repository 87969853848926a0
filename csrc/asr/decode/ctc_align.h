// CTC forced alignment: which frames say which token of a text that is known.
// Source: Viterbi over the CTC lattice (Graves et al., 2006); FunASR's ctc_forced_align
// (models/sense_voice/utils/ctc_alignment.py), whose choices among equal paths are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace safeasr::asr {

// Scores of one utterance: (frames, classes) float32, log probabilities, not owned.
struct CtcScores {
  const float* values = nullptr;
  std::size_t frames = 0;
  std::size_t classes = 0;
};

// Frames [begin, end) of a token; both are 0 for one that has none.
struct CtcSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// The spans of `targets` on the best path. A frame that likes the blank best counts as certain of
// it (log probability 0), as in FunASR, so that tokens keep to the frames that say them.
//
// Returns no spans at all when the frames are too few for the targets, or there are no targets.
// A target that is the blank itself has no frames of its own: its span is empty.
// Throws std::invalid_argument for a target or blank outside [0, classes).
std::vector<CtcSpan> CtcAlign(const CtcScores& scores, const std::vector<std::int64_t>& targets,
                              std::int64_t blank);

}  // namespace safeasr::asr
