#include "asr/decode/cif.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace safeasr::asr {
namespace {

std::vector<CifFire> Integrate(const std::vector<float>& alphas, std::vector<float>* peaks) {
  std::vector<CifFire> fires;
  peaks->resize(alphas.size());
  double sum = 0;
  float floor_before = 0;
  for (std::size_t t = 0; t < alphas.size(); ++t) {
    sum += alphas[t];
    const auto rounded = static_cast<float>(sum);
    const float floor_now = std::floor(rounded);
    const bool fires_here = floor_now - floor_before > 0;
    // (1 + sum) - floor in this order: the rounding of the first sum is part of the answer.
    const float peak = ((fires_here ? 1.0f : 0.0f) + rounded) - floor_now;
    (*peaks)[t] = peak;
    if (fires_here) {
      const float remainder = peak - std::floor(peak);
      fires.push_back({static_cast<std::int64_t>(t), remainder, alphas[t] - remainder});
    }
    floor_before = floor_now;
  }
  return fires;
}

// The same where each token is summed by itself.
std::vector<CifFire> IntegrateTokens(const std::vector<float>& alphas, std::vector<float>* peaks) {
  *peaks = RunningSums(alphas, 1.0f);
  std::vector<CifFire> fires;
  float before = 0;
  for (std::size_t t = 0; t < alphas.size(); ++t) {
    const float peak = (*peaks)[t];
    const bool fires_here = peak >= 1.0f;
    if (fires_here) {
      const float given = 1.0f - before;
      fires.push_back({static_cast<std::int64_t>(t), alphas[t] - given, given});
    }
    before = fires_here ? peak - 1.0f : peak;
  }
  return fires;
}

// The embeddings, one token after the other: the firing frame gives what its token still lacks, and
// the rest to the next one.
void AccumulateTokens(const float* hidden, std::int64_t frames, std::int64_t size,
                      const std::vector<float>& alphas, const std::vector<CifFire>& fires,
                      float* out) {
  std::vector<float> sum(static_cast<std::size_t>(size), 0.0f);
  std::int64_t t = 0;
  for (const CifFire& fire : fires) {
    for (; t <= fire.frame; ++t) {
      if (t >= frames) continue;  // the tail: its hidden vector is zero
      const float* h = hidden + t * size;
      const float alpha = t < fire.frame ? alphas[t] : fire.given;
      for (std::int64_t i = 0; i < size; ++i) sum[i] += alpha * h[i];
    }
    std::copy(sum.begin(), sum.end(), out);
    out += size;
    const float* h = fire.frame < frames ? hidden + fire.frame * size : nullptr;
    for (std::int64_t i = 0; i < size; ++i) sum[i] = h ? fire.remainder * h[i] : 0.0f;
  }
}

// The embeddings: differences of the running sum of alpha * hidden between fires, with the firing
// frames' remainders handed on to the next token.
void Accumulate(const float* hidden, std::int64_t frames, std::int64_t size,
                const std::vector<float>& alphas, const std::vector<CifFire>& fires,
                std::int64_t tokens, float* out) {
  std::vector<double> sum(size, 0.0);
  std::vector<float> last(size, 0.0f), carried(size, 0.0f);
  std::int64_t t = 0;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const CifFire& fire = fires[token];
    for (; t <= fire.frame; ++t) {
      if (t >= frames) continue;  // the tail: its hidden vector is zero
      const float* h = hidden + t * size;
      const float alpha = alphas[t];
      for (std::int64_t i = 0; i < size; ++i) sum[i] += static_cast<double>(alpha * h[i]);
    }
    const float* h = fire.frame < frames ? hidden + fire.frame * size : nullptr;
    float* row = out + token * size;
    for (std::int64_t i = 0; i < size; ++i) {
      const auto now = static_cast<float>(sum[i]);
      const float remainder = h ? fire.remainder * h[i] : 0.0f;
      row[i] = ((now - last[i]) + carried[i]) - remainder;
      last[i] = now;
      carried[i] = remainder;
    }
  }
}

}  // namespace

std::vector<float> RunningSums(const std::vector<float>& alphas, float threshold) {
  std::vector<float> sums;
  sums.reserve(alphas.size());
  float sum = 0;
  for (const float alpha : alphas) {
    sum += alpha;
    sums.push_back(sum);
    if (sum >= threshold) sum -= threshold;
  }
  return sums;
}

CifFiring FindFires(const at::Tensor& alphas, const CifConfig& config) {
  if (alphas.dim() != 1 || alphas.scalar_type() != at::kFloat) {
    throw std::invalid_argument("CIF expects float32 alphas (frames)");
  }
  const at::Tensor a = alphas.contiguous();
  const bool tail = config.tail_threshold > 0;
  CifFiring firing;
  firing.alphas.assign(a.data_ptr<float>(), a.data_ptr<float>() + a.size(0));
  if (tail) firing.alphas.push_back(static_cast<float>(config.tail_threshold));

  // The number of tokens comes from torch's own sum: its order of adding decides on which side of
  // an integer a sum of floats falls.
  const float total =
      at::from_blob(firing.alphas.data(), {static_cast<std::int64_t>(firing.alphas.size())},
                    at::TensorOptions(at::kFloat))
          .sum()
          .item<float>();
  if (!std::isfinite(total)) {
    throw std::runtime_error("the network's weights of frames are not finite numbers");
  }
  firing.tokens = static_cast<std::int64_t>(tail ? std::floor(total) : std::nearbyint(total));
  firing.fires = config.token_by_token ? IntegrateTokens(firing.alphas, &firing.peaks)
                                       : Integrate(firing.alphas, &firing.peaks);
  if (firing.fires.size() > static_cast<std::size_t>(firing.tokens)) {
    firing.fires.resize(static_cast<std::size_t>(firing.tokens));
  }
  return firing;
}

void AddTokenSums(const CifFiring& firing, std::int64_t frames, std::int64_t first_row,
                  WeightedRows* sums) {
  std::int64_t t = 0;
  for (std::int64_t token = 0; token < firing.tokens; ++token) {
    sums->BeginSum();
    if (token >= static_cast<std::int64_t>(firing.fires.size())) continue;
    const auto add = [&](std::int64_t frame, float weight) {
      if (frame < frames) sums->Add(first_row + frame, weight);  // the tail's row is zeros
    };
    if (token > 0) add(firing.fires[token - 1].frame, firing.fires[token - 1].remainder);
    const CifFire& fire = firing.fires[token];
    for (; t < fire.frame; ++t) add(t, firing.alphas[t]);
    if (t == fire.frame) add(t, fire.given);
    ++t;
  }
}

CifFiring IntegrateAndFire(const at::Tensor& hidden, const at::Tensor& alphas,
                           const CifConfig& config) {
  if (hidden.dim() != 2 || alphas.dim() != 1 || hidden.size(0) != alphas.size(0) ||
      hidden.scalar_type() != at::kFloat || alphas.scalar_type() != at::kFloat) {
    throw std::invalid_argument(
        "CIF expects float32 hidden (frames, size) and alphas (frames), with equal frames");
  }
  const at::Tensor h = hidden.contiguous();
  CifFiring firing = FindFires(alphas, config);
  firing.embeddings = at::zeros({firing.tokens, h.size(1)}, at::kFloat);
  float* out = firing.embeddings.data_ptr<float>();
  if (config.token_by_token) {
    AccumulateTokens(h.data_ptr<float>(), h.size(0), h.size(1), firing.alphas, firing.fires, out);
  } else {
    Accumulate(h.data_ptr<float>(), h.size(0), h.size(1), firing.alphas, firing.fires,
               static_cast<std::int64_t>(firing.fires.size()), out);
  }
  return firing;
}

}  // namespace safeasr::asr
