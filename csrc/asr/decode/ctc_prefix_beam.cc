#include "asr/decode/ctc_prefix_beam.h"

#include <algorithm>
#include <utility>

namespace safeasr::asr {
namespace {

constexpr std::int64_t kBlank = 0;
// What FunASR takes for no probability at all.
constexpr double kNothing = 1e-6;
// Links beyond which it is worth looking for those that nobody needs any more.
constexpr std::size_t kFewLinks = 4096;

}  // namespace

PrefixBeam::PrefixBeam(std::size_t width) : width_(width) {
  prefixes_.push_back({});
  Hypothesis nothing_said;
  nothing_said.blank = 1;
  beam_.push_back(nothing_said);
}

void PrefixBeam::Accept(const std::vector<FrameToken>& tokens) {
  ++frame_;
  next_.clear();
  for (const FrameToken& token : tokens) {
    for (const Hypothesis& from : beam_) Say(token, from);
  }
  std::stable_sort(next_.begin(), next_.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.total() > b.total(); });
  if (next_.size() > width_) next_.resize(width_);
  std::swap(beam_, next_);
  if (links() > 2 * links_after_drop_ + kFewLinks) DropUnused();
}

void PrefixBeam::Say(const FrameToken& token, const Hypothesis& from) {
  const double p = token.probability;
  const auto last = static_cast<std::size_t>(from.prefix);
  if (token.id == kBlank) {
    Hypothesis& same = Candidate(from.prefix);
    same.blank = same.blank + from.blank * p + from.token * p;
    same.peak = from.peak;
  } else if (from.prefix != 0 && prefixes_[last].id == token.id) {
    if (from.token > kNothing) {  // the token goes on
      Hypothesis& same = Candidate(from.prefix);
      same.token += from.token * p;
      same.peak = from.peak;
      Raise(same.peak, p);
    }
    if (from.blank > kNothing) {  // behind a blank it is said once more
      Hypothesis& longer = Candidate(Extended(from.prefix, token.id));
      longer.token += from.blank * p;
      longer.peak = NewPeak(from.peak, p);
    }
  } else {
    Hypothesis& longer = Candidate(Extended(from.prefix, token.id));
    if (longer.peak >= 0) {
      Raise(longer.peak, p);
    } else {
      longer.peak = NewPeak(from.peak, p);
    }
    longer.token = longer.token + from.blank * p + from.token * p;
  }
}

PrefixBeam::Hypothesis& PrefixBeam::Candidate(Link prefix) {
  Prefix& known = prefixes_[static_cast<std::size_t>(prefix)];
  if (known.frame != frame_) {
    known.frame = frame_;
    known.place = next_.size();
    Hypothesis fresh;
    fresh.prefix = prefix;
    next_.push_back(fresh);
  }
  return next_[known.place];
}

PrefixBeam::Link PrefixBeam::Extended(Link prefix, std::int64_t id) {
  const auto [found, is_new] = children_.try_emplace({prefix, id}, 0);
  if (is_new) {
    found->second = static_cast<Link>(prefixes_.size());
    prefixes_.push_back({prefix, id, 0, 0});
  }
  return found->second;
}

PrefixBeam::Link PrefixBeam::NewPeak(Link before, double probability) {
  peaks_.push_back({before, probability});
  return static_cast<Link>(peaks_.size() - 1);
}

void PrefixBeam::Raise(Link peak, double probability) {
  double& known = peaks_[static_cast<std::size_t>(peak)].probability;
  known = std::max(known, probability);
}

template <class Kept>
std::vector<PrefixBeam::Link> PrefixBeam::Compact(std::vector<Kept>& links,
                                                  std::vector<bool> used) {
  // Who comes before has the smaller number.
  for (std::size_t i = links.size(); i-- > 0;) {
    if (used[i] && links[i].parent >= 0) used[static_cast<std::size_t>(links[i].parent)] = true;
  }
  std::vector<Link> moved(links.size(), -1);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (!used[i]) continue;
    Kept link = links[i];
    if (link.parent >= 0) link.parent = moved[static_cast<std::size_t>(link.parent)];
    moved[i] = static_cast<Link>(kept);
    links[kept++] = link;
  }
  links.resize(kept);
  return moved;
}

void PrefixBeam::DropUnused() {
  std::vector<bool> prefixes(prefixes_.size()), peaks(peaks_.size());
  prefixes[0] = true;
  for (const Hypothesis& one : beam_) {
    prefixes[static_cast<std::size_t>(one.prefix)] = true;
    if (one.peak >= 0) peaks[static_cast<std::size_t>(one.peak)] = true;
  }
  const std::vector<Link> new_prefix = Compact(prefixes_, std::move(prefixes));
  const std::vector<Link> new_peak = Compact(peaks_, std::move(peaks));
  for (Hypothesis& one : beam_) {
    one.prefix = new_prefix[static_cast<std::size_t>(one.prefix)];
    if (one.peak >= 0) one.peak = new_peak[static_cast<std::size_t>(one.peak)];
  }
  children_.clear();
  for (std::size_t i = 1; i < prefixes_.size(); ++i) {
    children_[{prefixes_[i].parent, prefixes_[i].id}] = static_cast<Link>(i);
  }
  links_after_drop_ = links();
}

PrefixBeam::Sequence PrefixBeam::At(std::size_t place) const {
  Sequence found;
  const Hypothesis& one = beam_.at(place);
  for (Link i = one.prefix; i > 0; i = prefixes_[static_cast<std::size_t>(i)].parent) {
    found.ids.push_back(prefixes_[static_cast<std::size_t>(i)].id);
  }
  for (Link i = one.peak; i >= 0; i = peaks_[static_cast<std::size_t>(i)].parent) {
    found.probabilities.push_back(peaks_[static_cast<std::size_t>(i)].probability);
  }
  std::reverse(found.ids.begin(), found.ids.end());
  std::reverse(found.probabilities.begin(), found.probabilities.end());
  return found;
}

}  // namespace safeasr::asr
