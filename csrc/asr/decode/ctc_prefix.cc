#include "asr/decode/ctc_prefix.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"
#include "kernels/simd_exp.h"

namespace safeasr::asr {
namespace {

using kernels::At;
using kernels::Simd;

constexpr std::size_t kMostLanes = 16;

float LogAdd(float a, float b) {
  const float high = std::max(a, b);
  return high + std::log1p(std::exp(std::min(a, b) - high));
}

// a = log(exp(a) + exp(b)), lane by lane.
template <int kLanes>
SAFEASR_INLINE void LogAddTo(float* a, const float* b) {
  using Floats = typename Simd<kLanes>::Floats;
  const Floats x = At<kLanes>(a), y = At<kLanes>(b);
  float ratio[kLanes];
  At<kLanes>(ratio) = x > y ? y - x : x - y;
  kernels::ShiftedExp<kLanes>(ratio, 0.0f);
  // log(1 + e) = 2 artanh(e / (2 + e)), of at most a third: the next term is below 1e-9.
  const Floats e = At<kLanes>(ratio), z = e / (e + 2.0f), s = z * z;
  Floats sum = s * (1.0f / 15) + 1.0f / 13;
  sum = sum * s + 1.0f / 11;
  sum = sum * s + 1.0f / 9;
  sum = sum * s + 1.0f / 7;
  sum = sum * s + 1.0f / 5;
  sum = sum * s + 1.0f / 3;
  sum = sum * s + 1.0f;
  At<kLanes>(a) = (x > y ? x : y) + 2.0f * z * sum;
}

struct Starts {
  CtcScores scores;
  const std::int64_t* tokens;
  std::size_t count;
  std::size_t first_frame;         // whose `phi` is the first that counts
  const float *phi, *phi_of_last;  // for each frame: what a token may follow, other or the same
  std::int64_t last;
  float* psi;  // (count, rounded up to kMostLanes): added to
};

template <int kLanes>
SAFEASR_INLINE void AddStarts(const Starts& s) {
  for (std::size_t c = 0; c < s.count; c += kLanes) {
    const std::size_t lanes = std::min<std::size_t>(kLanes, s.count - c);
    float psi[kLanes], next[kLanes] = {};
    At<kLanes>(psi) = At<kLanes>(s.psi + c);
    const std::int64_t* tokens = s.tokens + c;
    for (std::size_t t = s.first_frame; t < s.scores.frames; ++t) {
      const float* row = s.scores.log_probs + t * s.scores.classes;
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const float* phi = tokens[lane] == s.last ? s.phi_of_last : s.phi;
        next[lane] = phi[t - 1] + row[tokens[lane]];
      }
      LogAddTo<kLanes>(psi, next);
    }
    At<kLanes>(s.psi + c) = At<kLanes>(psi);
  }
}

SAFEASR_ENTRY_POINTS(RunStarts, AddStarts, Starts)

std::vector<float> Either(const CtcPrefix& prefix) {
  std::vector<float> sums(prefix.token_last.size());
  for (std::size_t t = 0; t < sums.size(); ++t) {
    sums[t] = LogAdd(prefix.token_last[t], prefix.blank_last[t]);
  }
  return sums;
}

}  // namespace

CtcPrefix CtcPrefixScorer::Empty() const {
  CtcPrefix prefix;
  prefix.token_last.assign(scores_.frames, kImpossible);
  float sum = 0;
  for (std::size_t t = 0; t < scores_.frames; ++t) {
    sum += scores_.log_probs[t * scores_.classes + kBlank];
    prefix.blank_last.push_back(sum);
  }
  return prefix;
}

std::vector<float> CtcPrefixScorer::Score(const CtcPrefix& prefix,
                                          const std::vector<std::int64_t>& tokens) const {
  const std::size_t padded = (tokens.size() + kMostLanes - 1) / kMostLanes * kMostLanes;
  std::vector<float> psi(padded, kImpossible);
  if (prefix.length == 0) {  // a first token may be said in the first frame
    for (std::size_t c = 0; c < tokens.size(); ++c) psi[c] = scores_.log_probs[tokens[c]];
  }
  const std::vector<float> either = Either(prefix);
  RunStarts({scores_, tokens.data(), tokens.size(), std::max<std::size_t>(prefix.length, 1),
             either.data(), prefix.blank_last.data(), prefix.last, psi.data()},
            kernels::SimdLanes());
  psi.resize(tokens.size());
  for (std::size_t c = 0; c < tokens.size(); ++c) {
    if (tokens[c] == eos_) psi[c] = either.back();
    if (tokens[c] == kBlank) psi[c] = kImpossible;
  }
  return psi;
}

CtcPrefix CtcPrefixScorer::Extend(const CtcPrefix& prefix, std::int64_t token, float score) const {
  const std::size_t frames = scores_.frames, begin = std::max<std::size_t>(prefix.length, 1);
  CtcPrefix next;
  next.token_last.assign(frames, kImpossible);
  next.blank_last.assign(frames, kImpossible);
  next.length = prefix.length + 1;
  next.last = token;
  next.score = score;
  if (token == kBlank) return next;  // or what follows would be likely again, by rounding
  if (prefix.length == 0) next.token_last[0] = scores_.log_probs[token];
  const std::vector<float> phi = token == prefix.last ? prefix.blank_last : Either(prefix);
  for (std::size_t t = begin; t < frames; ++t) {
    const float* row = scores_.log_probs + t * scores_.classes;
    next.token_last[t] = LogAdd(next.token_last[t - 1], phi[t - 1]) + row[token];
    next.blank_last[t] = LogAdd(next.token_last[t - 1], next.blank_last[t - 1]) + row[kBlank];
  }
  return next;
}

}  // namespace safeasr::asr
