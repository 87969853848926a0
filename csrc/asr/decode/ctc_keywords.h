// Keywords in what a CTC network says: a prefix beam search over the tokens that keywords have.
// Source: prefix beam search (Hannun et al., 2014, https://arxiv.org/abs/1408.2873); FunASR's
// KwsCtcPrefixDecoder (funasr/utils/kws_utils.py), whose pruning and order among equals are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace safeasr::asr {

// The best tokens of each frame of one utterance, best first; not owned.
struct CtcCandidates {
  const float* probabilities = nullptr;  // (frames, count)
  const std::int64_t* ids = nullptr;     // (frames, count)
  std::size_t frames = 0;
  std::size_t count = 0;  // tokens a frame
};

struct KeywordHit {
  std::size_t keyword = 0;  // its place in the list
  double score = 0;         // square root of the product of its tokens' best probabilities
};

// Immutable; any number of threads may search at once.
class KeywordSearch {
 public:
  // keywords: token ids of each. The blank is token 0. names: of each, or none at all. Throws
  // std::invalid_argument for no keywords, for one without tokens, and for other numbers of names.
  explicit KeywordSearch(std::vector<std::vector<std::int64_t>> keywords,
                         std::vector<std::string> names = {});

  // The first keyword of the list in the most probable sequence that holds any; none: no sequence
  // does. Tokens that no keyword has are not looked at, nor are those below a probability of 0.05,
  // and a frame without any others is left out.
  std::optional<KeywordHit> Find(const CtcCandidates& candidates) const;

  std::size_t size() const { return keywords_.size(); }
  const std::string& name(std::size_t keyword) const { return names_.at(keyword); }

 private:
  bool Has(std::int64_t id) const;

  const std::vector<std::vector<std::int64_t>> keywords_;
  const std::vector<std::string> names_;
  std::vector<std::int64_t> tokens_;  // of all keywords, and the blank; sorted
};

}  // namespace safeasr::asr
