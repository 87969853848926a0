// Keywords on made-up candidates: the beam against every possible path, and what is found in it.
#include "asr/decode/ctc_keywords.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "asr/decode/ctc_prefix_beam.h"
#include "check.h"

namespace safeasr::asr {
namespace {

using Ids = std::vector<std::int64_t>;
using Words = std::vector<Ids>;

std::string Show(const Ids& ids) {
  std::string text;
  for (const std::int64_t id : ids) text += std::to_string(id) + " ";
  return text;
}

// Frames that like some of the tokens 0 to 3, best first.
std::vector<std::vector<FrameToken>> RandomFrames(std::size_t count, std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(0.1, 0.6);
  std::vector<std::vector<FrameToken>> frames(count);
  for (auto& frame : frames) {
    Ids ids = {0, 1, 2, 3};
    std::shuffle(ids.begin(), ids.end(), random);
    ids.resize(1 + random() % 3);
    for (const std::int64_t id : ids) frame.push_back({id, uniform(random)});
    std::sort(frame.begin(), frame.end(), [](const FrameToken& a, const FrameToken& b) {
      return a.probability > b.probability;
    });
  }
  return frames;
}

// The probabilities of all paths through the frames together, by the sequences that they say.
std::map<Ids, double> EverySequence(const std::vector<std::vector<FrameToken>>& frames) {
  std::map<Ids, double> found;
  std::vector<std::size_t> path(frames.size(), 0);
  for (;;) {
    Ids said;
    double probability = 1;
    std::int64_t last = 0;
    for (std::size_t t = 0; t < frames.size(); ++t) {
      const FrameToken& token = frames[t][path[t]];
      if (token.id != 0 && token.id != last) said.push_back(token.id);
      last = token.id;
      probability *= token.probability;
    }
    found[said] += probability;
    std::size_t t = 0;
    while (t < path.size() && ++path[t] == frames[t].size()) path[t++] = 0;
    if (t == path.size()) return found;
  }
}

TEST(ABeamOfAnyWidthKnowsEverySequence) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    const auto frames = RandomFrames(1 + round % 7, random);
    std::map<Ids, double> wanted = EverySequence(frames);
    PrefixBeam beam(1000000);
    for (const auto& frame : frames) beam.Accept(frame);
    double before = 2;
    for (std::size_t place = 0; place < beam.size(); ++place) {
      const PrefixBeam::Sequence one = beam.At(place);
      CHECK_EQ(one.ids.size(), one.probabilities.size());
      const auto known = wanted.find(one.ids);
      CHECK(known != wanted.end());
      if (known == wanted.end()) continue;
      CHECK(known->second <= before + 1e-5);  // the most probable come first
      before = known->second;
      wanted.erase(known);
      for (std::size_t i = 0; i < one.ids.size(); ++i) {
        bool heard = false;
        for (const auto& frame : frames) {
          for (const FrameToken& token : frame) {
            heard = heard || (token.id == one.ids[i] && token.probability == one.probabilities[i]);
          }
        }
        CHECK(heard);
      }
    }
    // What is left is what counts for nothing.
    for (const auto& [ids, probability] : wanted) CHECK(probability < 1e-4);
  }
}

TEST(BeforeTheFirstFrameNothingIsSaid) {
  const PrefixBeam beam(3);
  CHECK_EQ(beam.size(), 1u);
  CHECK(beam.At(0).ids.empty());
  CHECK_THROWS(beam.At(1), std::out_of_range);
}

TEST(WhatIsRememberedDoesNotGrowWithTheFrames) {
  PrefixBeam beam(20);
  for (int t = 0; t < 200000; ++t) {
    // Blanks outweigh all: sequences come up and are forgotten.
    beam.Accept({{0, 0.9}, {1 + t % 7, 0.2}, {8 + t % 5, 0.1}});
    CHECK(beam.links() < 100000);
  }
  CHECK_EQ(beam.size(), 20u);
}

// Dropping links must change nothing: a beam whose early frames are many says the same as one that
// hears only what is still of influence.
TEST(LinksThatAreDroppedWereOfNoUse) {
  std::mt19937 random(5);
  std::map<std::string, int> seen;
  for (int round = 0; round < 20; ++round) {
    const auto frames = RandomFrames(6, random);
    PrefixBeam fresh(20), old(20);
    // Certain blanks leave probabilities and sequences as they are; the others are crowded out.
    for (int t = 0; t < 3000; ++t) old.Accept({{0, 1.0}, {9, 1e-9}, {10, 1e-9}});
    for (const auto& frame : frames) {
      fresh.Accept(frame);
      old.Accept(frame);
    }
    CHECK_EQ(Show(old.At(0).ids), Show(fresh.At(0).ids));
    ++seen[Show(fresh.At(0).ids)];
  }
  CHECK(seen.size() > 5);
}

// Candidates whose best are the tokens of a path, and whose second best is the blank.
struct Candidates {
  explicit Candidates(const Ids& path, float best = 0.9f) {
    for (const std::int64_t id : path) {
      ids.insert(ids.end(), {id, id == 0 ? 1 : 0});
      probabilities.insert(probabilities.end(), {best, 0.06f});
    }
  }
  CtcCandidates View() const { return {probabilities.data(), ids.data(), ids.size() / 2, 2}; }

  Ids ids;
  std::vector<float> probabilities;
};

std::optional<KeywordHit> Find(const Words& keywords, const Candidates& in) {
  return KeywordSearch(keywords).Find(in.View());
}

TEST(AKeywordIsFoundWhereverItStands) {
  for (const Ids& path : {Ids{1, 2, 3}, Ids{0, 0, 1, 1, 0, 2, 3, 0}, Ids{3, 3, 1, 2, 3, 2}}) {
    const auto hit = Find({{1, 2, 3}}, Candidates(path));
    CHECK(hit.has_value());
    if (hit) CHECK(std::abs(hit->score - std::sqrt(0.9f * 0.9f * 0.9f)) < 1e-6);
  }
  CHECK(!Find({{1, 2, 3}}, Candidates({1, 3, 2})));
  CHECK(!Find({{1, 2, 3}}, Candidates({1, 2})));
  CHECK(!Find({{1, 2, 3}}, Candidates({0, 0, 0})));
  CHECK(!Find({{1, 2, 3}}, Candidates({})));
}

TEST(ATokenThatComesTwiceNeedsABlankInBetween) {
  CHECK(Find({{1, 1}}, Candidates({1, 0, 1})).has_value());
  CHECK(!Find({{1, 1, 1}}, Candidates({1, 1, 1})));
}

TEST(TheFirstKeywordOfTheListIsFound) {
  const Candidates both({1, 2, 0, 3});
  CHECK_EQ(Find({{3}, {1, 2}}, both)->keyword, 0u);
  CHECK_EQ(Find({{1, 2}, {3}}, both)->keyword, 0u);
  CHECK_EQ(Find({{2, 2}, {1, 2}, {3}}, both)->keyword, 1u);
}

TEST(OtherTokensAreNotHeard) {
  // 7 is of no keyword: its frames have the blank alone.
  CHECK(Find({{1, 2}}, Candidates({1, 7, 2})).has_value());
  const auto seven = Find({{1, 2}, {7}}, Candidates({1, 7, 2}));
  CHECK(seven && seven->keyword == 1);
  // Too quiet: the whole frame is left out.
  CHECK(!Find({{1}}, Candidates({1, 1}, 0.04f)));
}

TEST(ScoresAreOfTheBestFrames) {
  Candidates rising({1, 1, 1, 2});
  rising.probabilities[0] = 0.4f;
  rising.probabilities[2] = 0.8f;
  rising.probabilities[4] = 0.5f;
  const auto hit = Find({{1, 2}}, rising);
  CHECK(hit.has_value());
  if (hit) {
    CHECK_EQ(hit->score, std::sqrt(static_cast<double>(0.8f) * static_cast<double>(0.9f)));
  }
}

TEST(NoKeywordsAtAll) {
  CHECK_THROWS(KeywordSearch(Words{}), std::invalid_argument);
  CHECK_THROWS(KeywordSearch(Words{{1}, {}}), std::invalid_argument);
  CHECK_EQ(KeywordSearch(Words{{1}, {2, 3}}).size(), 2u);
}

TEST(NamesOfKeywords) {
  CHECK_EQ(KeywordSearch(Words{{1}, {2, 3}}, {"a", "b"}).name(1), "b");
  CHECK_THROWS(KeywordSearch(Words{{1}, {2, 3}}, {"a"}), std::invalid_argument);
  CHECK_THROWS(KeywordSearch(Words{{1}}).name(0), std::out_of_range);
}

TEST(NumbersThatAreNone) {
  Candidates broken({1, 2});
  for (float& one : broken.probabilities) one = std::nanf("");
  CHECK(!Find({{1, 2}}, broken));
}

}  // namespace
}  // namespace safeasr::asr
