// CTC on made-up scores: collapsing a path, and forced alignment against every possible path.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "asr/decode/ctc_align.h"
#include "asr/decode/ctc_greedy.h"
#include "check.h"

namespace safeasr::asr {
namespace {

using Ids = std::vector<std::int64_t>;

std::string Show(const Ids& ids) {
  std::string text;
  for (const std::int64_t id : ids) text += std::to_string(id) + " ";
  return text;
}

Ids Collapse(const Ids& path, std::int64_t blank = 0) {
  return CtcCollapse(path.data(), path.size(), blank);
}

TEST(RepeatsAreOneTokenAndBlanksNone) {
  CHECK_EQ(Show(Collapse({})), Show({}));
  CHECK_EQ(Show(Collapse({0, 0, 0})), Show({}));
  CHECK_EQ(Show(Collapse({5})), Show({5}));
  CHECK_EQ(Show(Collapse({5, 5, 5})), Show({5}));
  CHECK_EQ(Show(Collapse({5, 0, 5})), Show({5, 5}));
  CHECK_EQ(Show(Collapse({0, 1, 1, 2, 0, 0, 2, 3, 3, 0})), Show({1, 2, 2, 3}));
  CHECK_EQ(Show(Collapse({0, 1, 1, 7, 1}, 7)), Show({0, 1, 1}));
}

struct Scores {
  Scores(std::size_t frame_count, std::size_t class_count, unsigned seed)
      : frames(frame_count), classes(class_count), values(frame_count * class_count) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 3);
    for (float& value : values) value = normal(random);
    for (std::size_t t = 0; t < frames; ++t) {
      double sum = 0;
      float* row = values.data() + t * classes;
      for (std::size_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(row[c]));
      for (std::size_t c = 0; c < classes; ++c) row[c] -= static_cast<float>(std::log(sum));
    }
  }

  // A path by its frames' tokens: 0 is the blank.
  static Scores Of(const Ids& path, std::size_t classes) {
    Scores scores(path.size(), classes, 0);
    std::fill(scores.values.begin(), scores.values.end(), -20.0f);
    for (std::size_t t = 0; t < path.size(); ++t) {
      scores.values[t * classes + static_cast<std::size_t>(path[t])] = -0.01f;
    }
    return scores;
  }

  CtcScores View() const { return {values.data(), frames, classes}; }

  std::size_t frames, classes;
  std::vector<float> values;
};

// The score of a path under the rule that a frame whose best is the blank is certain of it.
double ScoreOf(const Scores& scores, const Ids& path, std::int64_t blank) {
  double sum = 0;
  for (std::size_t t = 0; t < path.size(); ++t) {
    const float* row = scores.values.data() + t * scores.classes;
    const bool silent = std::max_element(row, row + scores.classes) == row + blank;
    sum += path[t] == blank && silent ? 0.0 : static_cast<double>(row[path[t]]);
  }
  return sum;
}

// Every path that collapses to the targets, one after the other; the best score of them.
double BestOfAll(const Scores& scores, const Ids& targets, std::int64_t blank) {
  double best = -std::numeric_limits<double>::infinity();
  Ids path(scores.frames, 0);
  for (;;) {
    if (Collapse(path, blank) == targets) best = std::max(best, ScoreOf(scores, path, blank));
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == static_cast<std::int64_t>(scores.classes)) path[t++] = 0;
    if (t == path.size()) return best;
  }
}

Ids PathOf(const std::vector<CtcSpan>& spans, const Ids& targets, std::size_t frames,
           std::int64_t blank) {
  Ids path(frames, blank);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    for (std::int64_t t = spans[i].begin; t < spans[i].end; ++t) {
      path[static_cast<std::size_t>(t)] = targets[i];
    }
  }
  return path;
}

TEST(TheBestOfAllPaths) {
  std::mt19937 random(1);
  int aligned = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    const std::int64_t blank = seed % 3 == 0 ? 2 : 0;
    const Scores scores(1 + seed % 7, 4, seed);
    Ids targets;
    for (std::size_t i = 0; i < 1 + seed % 4; ++i) {
      std::int64_t id = static_cast<std::int64_t>(random() % 4);
      if (id == blank) id = 1;
      targets.push_back(id);
    }
    const double best = BestOfAll(scores, targets, blank);
    const std::vector<CtcSpan> spans = CtcAlign(scores.View(), targets, blank);
    CHECK_EQ(spans.empty(), std::isinf(best));
    if (spans.empty()) continue;
    ++aligned;
    const Ids path = PathOf(spans, targets, scores.frames, blank);
    CHECK_EQ(Show(Collapse(path, blank)), Show(targets));
    CHECK(std::abs(ScoreOf(scores, path, blank) - best) < 1e-4);
  }
  CHECK(aligned > 100);
}

TEST(AClearPathIsFound) {
  const Ids path = {0, 3, 3, 0, 1, 2, 2, 2, 0, 0, 2};
  const std::vector<CtcSpan> spans = CtcAlign(Scores::Of(path, 5).View(), {3, 1, 2, 2}, 0);
  CHECK_EQ(spans.size(), 4u);
  CHECK_EQ(Show(PathOf(spans, {3, 1, 2, 2}, path.size(), 0)), Show(path));
  CHECK_EQ(spans[0].begin, 1);
  CHECK_EQ(spans[0].end, 3);
  CHECK_EQ(spans[3].end, 11);
}

TEST(TooFewFrames) {
  const Scores scores(3, 5, 7);
  CHECK_EQ(CtcAlign(scores.View(), {1, 2, 3}, 0).size(), 3u);
  CHECK(CtcAlign(scores.View(), {1, 2, 3, 4}, 0).empty());
  CHECK(CtcAlign(scores.View(), {1, 1, 2}, 0).empty());  // a blank must lie between equal ones
  CHECK_EQ(CtcAlign(scores.View(), {1, 1}, 0).size(), 2u);
  CHECK(CtcAlign(scores.View(), {}, 0).empty());
  CHECK(CtcAlign({scores.values.data(), 0, 5}, {1}, 0).empty());
}

TEST(ATargetThatIsTheBlank) {
  const std::vector<CtcSpan> spans = CtcAlign(Scores::Of({1, 0, 2}, 3).View(), {1, 0, 2}, 0);
  CHECK_EQ(spans.size(), 3u);
  CHECK_EQ(spans[0].end, 1);
  CHECK_EQ(spans[1].end, 0);
  CHECK_EQ(spans[2].begin, 2);
}

TEST(IdsOutsideTheVocabulary) {
  const Scores scores(3, 5, 7);
  for (const std::int64_t id : {-1, 5, 1000}) {
    CHECK_THROWS(CtcAlign(scores.View(), {1, id}, 0), std::invalid_argument);
    CHECK_THROWS(CtcAlign(scores.View(), {1}, id), std::invalid_argument);
  }
}

}  // namespace
}  // namespace safeasr::asr
