#include "asr/decode/ctc_keywords.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "asr/decode/ctc_prefix_beam.h"

namespace safeasr::asr {
namespace {

// FunASR's numbers.
constexpr std::size_t kSequences = 20;
constexpr double kLeastProbability = 0.05;
constexpr std::int64_t kBlank = 0;

}  // namespace

KeywordSearch::KeywordSearch(std::vector<std::vector<std::int64_t>> keywords,
                             std::vector<std::string> names)
    : keywords_(std::move(keywords)), names_(std::move(names)), tokens_{kBlank} {
  if (!names_.empty() && names_.size() != keywords_.size()) {
    throw std::invalid_argument("expected as many names as keywords");
  }
  if (keywords_.empty()) throw std::invalid_argument("expected keywords, got none");
  for (const auto& keyword : keywords_) {
    if (keyword.empty()) throw std::invalid_argument("a keyword must have tokens, got none");
    tokens_.insert(tokens_.end(), keyword.begin(), keyword.end());
  }
  std::sort(tokens_.begin(), tokens_.end());
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end()), tokens_.end());
}

bool KeywordSearch::Has(std::int64_t id) const {
  return std::binary_search(tokens_.begin(), tokens_.end(), id);
}

std::optional<KeywordHit> KeywordSearch::Find(const CtcCandidates& candidates) const {
  PrefixBeam beam(kSequences);
  std::vector<FrameToken> tokens;
  for (std::size_t t = 0; t < candidates.frames; ++t) {
    tokens.clear();
    for (std::size_t i = t * candidates.count; i < (t + 1) * candidates.count; ++i) {
      const auto probability = static_cast<double>(candidates.probabilities[i]);
      if (probability > kLeastProbability && Has(candidates.ids[i])) {
        tokens.push_back({candidates.ids[i], probability});
      }
    }
    if (!tokens.empty()) beam.Accept(tokens);
  }
  for (std::size_t place = 0; place < beam.size(); ++place) {
    const PrefixBeam::Sequence said = beam.At(place);
    for (std::size_t number = 0; number < keywords_.size(); ++number) {
      const auto& keyword = keywords_[number];
      const auto found =
          std::search(said.ids.begin(), said.ids.end(), keyword.begin(), keyword.end());
      if (found == said.ids.end()) continue;
      double product = 1;
      const auto first = static_cast<std::size_t>(found - said.ids.begin());
      for (std::size_t i = first; i < first + keyword.size(); ++i) {
        product *= said.probabilities[i];
      }
      return KeywordHit{number, std::sqrt(product)};
    }
  }
  return std::nullopt;
}

}  // namespace safeasr::asr
