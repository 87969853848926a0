#include "asr/decode/ctc_beam.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace safeasr::asr {
namespace {

// How many more tokens CTC scores than hypotheses are kept.
constexpr double kScoredPerKept = 1.5;
// End detection: texts of so many lengths in a row are worse than the best one by so much.
constexpr int kWorseLengths = 3;
constexpr double kMuchWorse = -10;

std::size_t MostTokens(double ratio, std::size_t frames) {
  if (ratio == 0) return frames;
  if (ratio < 0) return static_cast<std::size_t>(-ratio);
  const double most = std::min(ratio * static_cast<double>(frames), 1e9);
  return std::max<std::size_t>(1, static_cast<std::size_t>(most));
}

// What is no number is as bad as can be.
float Known(float score) {
  return score == score ? score : -std::numeric_limits<float>::infinity();
}

// The places of the highest numbers, highest first; of equal ones the first come first.
std::vector<std::int64_t> Highest(const std::vector<float>& values, std::size_t count) {
  std::vector<std::int64_t> places(values.size());
  std::iota(places.begin(), places.end(), 0);
  count = std::min(count, places.size());
  const auto better = [&values](std::int64_t a, std::int64_t b) {
    const float x = values[static_cast<std::size_t>(a)], y = values[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count),
                    places.end(), better);
  places.resize(count);
  return places;
}

}  // namespace

struct BeamSearch::Candidate {
  std::size_t parent;
  std::int64_t token;
  float score, prefix_score;
};

BeamSearch::BeamSearch(std::optional<CtcScores> ctc, std::size_t frames, const BeamTokens& tokens,
                       const BeamOptions& options)
    : scorer_(ctc && options.ctc_weight != 0
                  ? std::optional<CtcPrefixScorer>(std::in_place, *ctc, tokens.eos)
                  : std::nullopt),
      tokens_(tokens),
      options_(options),
      ctc_weight_(static_cast<float>(options.ctc_weight)),
      decoder_weight_(tokens.decoder ? static_cast<float>(1.0 - options.ctc_weight) : 0.0f),
      most_(MostTokens(options.max_length_ratio, frames)) {
  Step::Running first;
  first.text.tokens = {tokens.sos};
  if (scorer_) first.prefix = std::make_shared<const CtcPrefix>(scorer_->Empty());
  running_.push_back(std::move(first));
  done_ = most_ == 0;
}

std::vector<BeamSearch::Candidate> BeamSearch::Candidates(std::size_t parent,
                                                          const float* decoder) const {
  const Step::Running& from = running_[parent];
  std::vector<float> scores(tokens_.count, 0.0f);
  const auto bonus = static_cast<float>(options_.token_bonus);
  for (std::size_t v = 0; v < scores.size(); ++v) {
    if (uses_decoder()) scores[v] = decoder_weight_ * decoder[v];
    scores[v] = Known(scores[v] + bonus);
  }
  const auto scored =
      static_cast<std::size_t>(kScoredPerKept * static_cast<double>(options_.beam_size));
  // Without a decoder every token is as good as the others before CTC has seen it.
  const bool choose = scorer_ && tokens_.choose_first && uses_decoder() && scored < tokens_.count;
  std::vector<std::int64_t> ids = Highest(scores, choose ? scored : tokens_.count);
  if (!choose) std::sort(ids.begin(), ids.end());
  std::vector<float> prefix_scores(ids.size(), 0.0f), totals;
  if (scorer_) prefix_scores = scorer_->Score(*from.prefix, ids);
  for (std::size_t c = 0; c < ids.size(); ++c) {
    float score = scores[static_cast<std::size_t>(ids[c])];
    if (scorer_) score += ctc_weight_ * (prefix_scores[c] - from.prefix->score);
    totals.push_back(Known(score + from.text.score));
  }
  std::vector<Candidate> found;
  for (const std::int64_t place : Highest(totals, options_.beam_size)) {
    const auto c = static_cast<std::size_t>(place);
    found.push_back({parent, ids[c], totals[c], prefix_scores[c]});
  }
  return found;
}

BeamSearch::Step BeamSearch::Try(const float* decoder) const {
  std::vector<Candidate> best;
  for (std::size_t i = 0; i < running_.size(); ++i) {
    const float* own = decoder == nullptr ? nullptr : decoder + i * tokens_.count;
    for (Candidate& one : Candidates(i, own)) best.push_back(one);
  }
  std::stable_sort(best.begin(), best.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  best.resize(std::min(best.size(), options_.beam_size));

  Step step;
  const bool last = steps_ + 1 == most_;
  for (const Candidate& one : best) {
    BeamHypothesis text{running_[one.parent].text.tokens, one.score};
    text.tokens.push_back(one.token);
    if (last) text.tokens.push_back(tokens_.eos);
    if (text.tokens.back() == tokens_.eos) {
      step.ended_.push_back(std::move(text));
      continue;
    }
    Step::Running next{std::move(text), nullptr};
    if (scorer_) {
      next.prefix = std::make_shared<const CtcPrefix>(
          scorer_->Extend(*running_[one.parent].prefix, one.token, one.prefix_score));
    }
    step.parents.push_back(static_cast<std::int64_t>(one.parent));
    step.running_.push_back(std::move(next));
  }
  std::vector<BeamHypothesis> ended = ended_;
  ended.insert(ended.end(), std::make_move_iterator(step.ended_.begin()),
               std::make_move_iterator(step.ended_.end()));
  step.ended_ = std::move(ended);
  step.done_ =
      step.running_.empty() || (options_.max_length_ratio == 0 && EndDetected(step.ended_));
  return step;
}

void BeamSearch::Take(Step&& step) noexcept {
  running_ = std::move(step.running_);
  ended_ = std::move(step.ended_);
  done_ = step.done_;
  ++steps_;
}

bool BeamSearch::EndDetected(const std::vector<BeamHypothesis>& ended) const {
  if (ended.empty()) return false;
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  double best = kNone;
  for (const BeamHypothesis& one : ended) best = std::max(best, static_cast<double>(one.score));
  for (int m = 0; m < kWorseLengths; ++m) {
    double same_length = kNone;
    bool any = false;
    for (const BeamHypothesis& one : ended) {
      if (static_cast<std::ptrdiff_t>(one.tokens.size()) !=
          static_cast<std::ptrdiff_t>(steps_) - m) {
        continue;
      }
      any = true;
      same_length = std::max(same_length, static_cast<double>(one.score));
    }
    if (!any || !(same_length - best < kMuchWorse)) return false;
  }
  return true;
}

std::vector<BeamHypothesis> BeamSearch::Best(std::size_t most) const {
  std::vector<BeamHypothesis> found = ended_;
  std::stable_sort(
      found.begin(), found.end(),
      [](const BeamHypothesis& a, const BeamHypothesis& b) { return a.score > b.score; });
  found.resize(std::min(found.size(), most));
  return found;
}

}  // namespace safeasr::asr
