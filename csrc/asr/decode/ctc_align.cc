#include "asr/decode/ctc_align.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace safeasr::asr {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

std::size_t Checked(std::int64_t id, std::size_t classes, const char* what) {
  if (id < 0 || static_cast<std::size_t>(id) >= classes) {
    throw std::invalid_argument(std::string(what) + " " + std::to_string(id) +
                                " is not one of the " + std::to_string(classes) + " tokens");
  }
  return static_cast<std::size_t>(id);
}

// States of the lattice: a blank, then each target and a blank behind it.
std::vector<std::size_t> States(const std::vector<std::int64_t>& targets, std::size_t blank,
                                std::size_t classes) {
  std::vector<std::size_t> states{blank};
  for (const std::int64_t target : targets) {
    states.push_back(Checked(target, classes, "target"));
    states.push_back(blank);
  }
  return states;
}

// How far each state moved on from the frame before (0, 1 or 2 states), on the best way to it.
class Lattice {
 public:
  Lattice(const CtcScores& scores, const std::vector<std::size_t>& states, std::size_t blank)
      : scores_(scores), states_(states), blank_(blank), steps_(scores.frames * states.size()) {
    Forward();
  }

  // The state of each frame on the best path; empty if no path reaches the end.
  std::vector<std::size_t> BestPath() const {
    const std::size_t last = states_.size() - 1;
    // Among equals the path that ends in the last target, before the one that ends in a blank.
    std::size_t state = best_[last] > best_[last - 1] ? last : last - 1;
    if (best_[state] == kImpossible) return {};
    std::vector<std::size_t> path(scores_.frames);
    for (std::size_t t = scores_.frames; t-- > 0;) {
      path[t] = state;
      state -= steps_[t * states_.size() + state];
    }
    return path;
  }

 private:
  void Forward() {
    for (std::size_t t = 0; t < scores_.frames; ++t) {
      const float* row = scores_.values + t * scores_.classes;
      const float blank =
          *std::max_element(row, row + scores_.classes) > row[blank_] ? row[blank_] : 0;
      if (t == 0) {
        best_.assign(states_.size(), kImpossible);
        best_[0] = blank;
        best_[1] = Score(row, blank, 1);
      } else {
        Advance(row, blank, steps_.data() + t * states_.size());
      }
    }
  }

  void Advance(const float* row, float blank, std::uint8_t* steps) {
    // From the last state down: a state looks at earlier ones only, as they were a frame before.
    for (std::size_t s = states_.size(); s-- > 0;) {
      float best = best_[s];
      if (s >= 1 && best_[s - 1] > best) {
        best = best_[s - 1];
        steps[s] = 1;
      }
      // Between two equal targets there must be a blank.
      if (s >= 2 && states_[s] != states_[s - 2] && best_[s - 2] > best) {
        best = best_[s - 2];
        steps[s] = 2;
      }
      best_[s] = best + Score(row, blank, s);
    }
  }

  float Score(const float* row, float blank, std::size_t s) const {
    return states_[s] == blank_ ? blank : row[states_[s]];
  }

  const CtcScores& scores_;
  const std::vector<std::size_t>& states_;
  const std::size_t blank_;
  std::vector<std::uint8_t> steps_;
  std::vector<float> best_;
};

}  // namespace

std::vector<CtcSpan> CtcAlign(const CtcScores& scores, const std::vector<std::int64_t>& targets,
                              std::int64_t blank) {
  const std::size_t blank_id = Checked(blank, scores.classes, "blank");
  const std::vector<std::size_t> states = States(targets, blank_id, scores.classes);
  if (targets.empty() || scores.frames == 0) return {};
  const std::vector<std::size_t> path = Lattice(scores, states, blank_id).BestPath();
  if (path.empty()) return {};
  std::vector<CtcSpan> spans(targets.size());
  for (std::size_t t = 0; t < path.size(); ++t) {
    if (states[path[t]] == blank_id) continue;
    CtcSpan& span = spans[path[t] / 2];
    if (span.end == 0) span.begin = static_cast<std::int64_t>(t);
    span.end = static_cast<std::int64_t>(t) + 1;
  }
  return spans;
}

}  // namespace safeasr::asr
