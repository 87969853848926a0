#include "asr/streaming_cif.h"

#include <utility>

namespace safeasr::asr {
namespace {

constexpr float kThreshold = 1;

class Integrator {
 public:
  explicit Integrator(std::int64_t size) : size_(size), frame_(size, 0.0f) {}

  // hidden: (size), or null for zeros
  void Add(float alpha, const float* hidden) {
    if (alpha + weight_ < kThreshold) {
      weight_ += alpha;
      for (std::int64_t i = 0; i < size_ && hidden; ++i) frame_[i] += alpha * hidden[i];
      return;
    }
    const float needed = kThreshold - weight_;
    for (std::int64_t i = 0; i < size_; ++i) {
      out_.embeddings.push_back(hidden ? frame_[i] + needed * hidden[i] : frame_[i]);
    }
    ++out_.count;
    weight_ += alpha;
    weight_ -= kThreshold;
    for (std::int64_t i = 0; i < size_; ++i) frame_[i] = hidden ? weight_ * hidden[i] : 0.0f;
  }

  CifTokens Finish() {
    if (weight_ > 0) {
      for (float& value : frame_) value /= weight_;
    }
    out_.carry = {weight_, std::move(frame_)};
    return std::move(out_);
  }

 private:
  const std::int64_t size_;
  float weight_ = 0;
  std::vector<float> frame_;
  CifTokens out_;
};

}  // namespace

CifTokens IntegrateChunk(const CifCarry& carry, const CifChunk& chunk) {
  Integrator integrator(chunk.size);
  if (!carry.hidden.empty()) integrator.Add(carry.weight, carry.hidden.data());
  for (std::int64_t t = 0; t < chunk.rows; ++t) {
    integrator.Add(chunk.alphas[t], chunk.hidden + t * chunk.size);
  }
  if (chunk.is_final) integrator.Add(chunk.tail_threshold, nullptr);
  return integrator.Finish();
}

}  // namespace safeasr::asr
