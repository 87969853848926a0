// CTC prefix scores against every possible path, and beam search against every possible text.
#include "asr/decode/ctc_prefix.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "asr/decode/ctc_beam.h"
#include "asr/decode/ctc_greedy.h"
#include "check.h"

namespace safeasr::asr {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr std::int64_t kEos = 2;

// Log probabilities of rows of random contrast.
std::vector<float> Random(std::size_t rows, std::size_t classes, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(rows * classes);
  for (std::size_t t = 0; t < rows; ++t) {
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      values[t * classes + c] = normal(random);
      sum += std::exp(static_cast<double>(values[t * classes + c]));
    }
    for (std::size_t c = 0; c < classes; ++c) {
      values[t * classes + c] -= static_cast<float>(std::log(sum));
    }
  }
  return values;
}

// The probability of every text, by every path.
std::map<Ids, double> Texts(const std::vector<float>& scores, std::size_t frames,
                            std::size_t classes) {
  std::map<Ids, double> found;
  Ids path(frames, 0);
  while (true) {
    double sum = 0;
    for (std::size_t t = 0; t < frames; ++t) {
      sum += scores[t * classes + static_cast<std::size_t>(path[t])];
    }
    found[CtcCollapse(path.data(), frames, 0)] += std::exp(sum);
    std::size_t t = 0;
    while (t < frames && ++path[t] == static_cast<std::int64_t>(classes)) path[t++] = 0;
    if (t == frames) return found;
  }
}

double Beginning(const std::map<Ids, double>& texts, const Ids& with) {
  double sum = 0;
  for (const auto& [text, probability] : texts) {
    if (text.size() >= with.size() && std::equal(with.begin(), with.end(), text.begin())) {
      sum += probability;
    }
  }
  return std::log(sum);
}

// What no path spells is scored as impossible.
bool Near(double a, double b) {
  if (std::isinf(b)) return a <= CtcPrefixScorer::kImpossible / 2;
  return std::abs(a - b) < 2e-5 * (1 + std::abs(b));
}

TEST(PrefixesAreScoredByAllTextsThatBeginWithThem) {
  constexpr std::size_t kFrames = 5, kClasses = 5;
  for (unsigned seed = 0; seed < 5; ++seed) {
    const std::vector<float> scores = Random(kFrames, kClasses, seed);
    const auto texts = Texts(scores, kFrames, kClasses);
    const CtcPrefixScorer scorer({scores.data(), kFrames, kClasses}, kEos);
    // The end is no token of CTC's, so texts of the others are extended only.
    for (const Ids& text : {Ids{}, Ids{1}, Ids{3, 3}, Ids{3, 4, 3}, Ids{4, 4, 4}}) {
      CtcPrefix prefix = scorer.Empty();
      for (std::size_t i = 0; i < text.size(); ++i) {
        const float score = scorer.Score(prefix, {text[i]})[0];
        Ids so_far(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        CHECK(Near(score, Beginning(texts, so_far)));
        prefix = scorer.Extend(prefix, text[i], score);
      }
      const std::vector<float> next = scorer.Score(prefix, {0, 1, kEos, 3, 4});
      CHECK_EQ(next[0], CtcPrefixScorer::kImpossible);
      const auto ends = texts.find(text);
      CHECK(Near(next[2], std::log(ends->second)));
      for (const std::int64_t token : {1, 3, 4}) {
        Ids longer = text;
        longer.push_back(token);
        CHECK(Near(next[static_cast<std::size_t>(token)], Beginning(texts, longer)));
      }
    }
  }
}

TEST(NothingFollowsABlankThatIsSaid) {
  const std::vector<float> scores = Random(5, 5, 2);
  const CtcPrefixScorer scorer({scores.data(), 5, 5}, kEos);
  CtcPrefix prefix = scorer.Empty();
  for (const std::int64_t token : {std::int64_t{3}, CtcPrefixScorer::kBlank}) {
    prefix = scorer.Extend(prefix, token, scorer.Score(prefix, {token})[0]);
  }
  for (const float score : scorer.Score(prefix, {0, 1, kEos, 3, 4})) {
    CHECK(score <= CtcPrefixScorer::kImpossible / 2);
  }
}

TEST(ATokenIsScoredAlikeInAnyCompany) {
  constexpr std::size_t kFrames = 40, kClasses = 50;
  const std::vector<float> scores = Random(kFrames, kClasses, 7);
  const CtcPrefixScorer scorer({scores.data(), kFrames, kClasses}, kEos);
  CtcPrefix prefix = scorer.Empty();
  for (const std::int64_t token : {9, 9, 30}) {
    prefix = scorer.Extend(prefix, token, scorer.Score(prefix, {token})[0]);
  }
  Ids all;
  for (std::int64_t token = 0; token < 50; ++token) all.push_back(token);
  const std::vector<float> together = scorer.Score(prefix, all);
  for (const std::int64_t token : all) {
    CHECK_EQ(scorer.Score(prefix, {token})[0], together[static_cast<std::size_t>(token)]);
  }
}

TEST(MoreTokensThanFramesAreImpossible) {
  const std::vector<float> scores = Random(2, 5, 1);
  const CtcPrefixScorer scorer({scores.data(), 2, 5}, kEos);
  CtcPrefix prefix = scorer.Empty();
  for (int i = 0; i < 5; ++i) {
    const float score = scorer.Score(prefix, {3 + i % 2})[0];
    CHECK(i < 2 ? score > -100 : score <= CtcPrefixScorer::kImpossible / 2);
    prefix = scorer.Extend(prefix, 3 + i % 2, score);
  }
}

// A decoder whose scores depend on the last token alone: log probabilities (classes, classes).
struct Search {
  std::size_t frames, classes;
  std::vector<float> ctc, decoder;
  BeamOptions options;

  std::vector<BeamHypothesis> Run() const {
    BeamSearch search(CtcScores{ctc.data(), frames, classes}, frames,
                      {1, kEos, classes, true, true}, options);
    while (!search.done()) {
      std::vector<float> rows;
      for (std::size_t i = 0; i < search.running(); ++i) {
        const float* row = decoder.data() + search.last_token(i) * static_cast<int>(classes);
        rows.insert(rows.end(), row, row + classes);
      }
      BeamSearch::Step step = search.Try(search.uses_decoder() ? rows.data() : nullptr);
      search.Take(std::move(step));
    }
    return search.Best(std::numeric_limits<std::size_t>::max());
  }
};

TEST(AWideBeamFindsTheBestOfAllTexts) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Search search{4, 5, Random(4, 5, seed), Random(5, 5, 100 + seed), {}};
    search.options.beam_size = 200;
    search.options.ctc_weight = 0.25 * (seed % 5);
    search.options.token_bonus = seed % 3 - 1.0;
    search.options.max_length_ratio = -4;  // three tokens and the end
    const auto texts = Texts(search.ctc, 4, 5);
    double highest = -std::numeric_limits<double>::infinity();
    const double share = search.options.ctc_weight;
    // Texts of up to three of the two tokens that are no mark: a one, then a bit for each.
    for (int number = 1; number < 16; ++number) {
      Ids text;
      for (int left = number; left > 1; left /= 2) text.push_back(3 + left % 2);
      const auto by_ctc = texts.find(text);
      double score = by_ctc == texts.end() ? -1e10 * share : share * std::log(by_ctc->second);
      std::int64_t last = 1;
      Ids whole = text;
      whole.push_back(kEos);
      for (const std::int64_t token : whole) {
        score += (1 - share) * search.decoder[static_cast<std::size_t>(last * 5 + token)];
        score += search.options.token_bonus;
        last = token;
      }
      highest = std::max(highest, score);
    }
    std::vector<BeamHypothesis> found = search.Run();
    // The longest ones have one more end, and are cut unless they had one. Any part says the
    // beginning again, but blanks a decoder alone.
    const auto strange = [share](const BeamHypothesis& one) {
      Ids ids = one.tokens;
      if (ids.size() == 6) ids.pop_back();
      const auto mark = [share](std::int64_t token) {
        return token == 1 || (token == CtcPrefixScorer::kBlank && share == 0);
      };
      return ids.back() != kEos || std::any_of(ids.begin() + 1, ids.end() - 1, mark);
    };
    found.erase(std::remove_if(found.begin(), found.end(), strange), found.end());
    CHECK(!found.empty());
    if (found.empty()) continue;
    CHECK(Near(found[0].score, highest));
  }
}

TEST(OfEqualTextsTheFirstIsTaken) {
  Search search{6, 40, Random(6, 40, 3), std::vector<float>(40 * 40, std::log(1.0f / 40)), {}};
  search.options.ctc_weight = 0;
  search.options.beam_size = 2;
  const std::vector<BeamHypothesis> found = search.Run();
  CHECK(!found.empty());
  CHECK_EQ(found[0].tokens[1], std::int64_t{0});
}

TEST(LengthsAreBounded) {
  for (const double ratio : {-3.0, 0.5, 2.0}) {
    Search search{10, 30, Random(10, 30, 4), Random(30, 30, 5), {}};
    search.options.max_length_ratio = ratio;
    const std::size_t most = ratio < 0 ? 3 : static_cast<std::size_t>(10 * ratio);
    for (const BeamHypothesis& one : search.Run()) {
      CHECK(one.tokens.size() <= most + 2);
      CHECK_EQ(one.tokens.back(), kEos);
      CHECK_EQ(one.tokens.front(), std::int64_t{1});
    }
  }
  Search none{10, 30, Random(10, 30, 4), Random(30, 30, 5), {}};
  none.options.max_length_ratio = -0.5;  // not a whole token
  CHECK(none.Run().empty());
}

TEST(AStepThatIsNotTakenChangesNothing) {
  const std::vector<float> ctc = Random(8, 30, 6), decoder = Random(30, 30, 7);
  BeamSearch search(CtcScores{ctc.data(), 8, 30}, 8, {1, kEos, 30, true, true}, {});
  for (int i = 0; i < 3; ++i) {
    std::vector<float> rows;
    for (std::size_t h = 0; h < search.running(); ++h) {
      const float* row = decoder.data() + search.last_token(h) * 30;
      rows.insert(rows.end(), row, row + 30);
    }
    const BeamSearch::Step given_up = search.Try(rows.data());
    BeamSearch::Step taken = search.Try(rows.data());
    CHECK(given_up.parents == taken.parents);
    search.Take(std::move(taken));
    CHECK_EQ(search.steps(), static_cast<std::size_t>(i) + 1);
  }
}

TEST(NoNumberIsNoReasonToFail) {
  std::vector<float> decoder(40 * 40, std::numeric_limits<float>::quiet_NaN());
  Search search{6, 40, Random(6, 40, 3), decoder, {}};
  search.options.max_length_ratio = -2;
  CHECK(!search.Run().empty());
}

}  // namespace
}  // namespace safeasr::asr
