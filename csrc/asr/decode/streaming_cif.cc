#include "asr/decode/streaming_cif.h"

#include <utility>

namespace safeasr::asr {
namespace {

constexpr float kThreshold = 1;

// Hands on what each frame adds: to the token that is being formed, or to one that fires and to
// the next. A frame is whatever the sums know it by.
template <class Sums, class Frame>
void AddFrame(float alpha, Frame frame, float* weight, Sums* sums) {
  if (alpha + *weight < kThreshold) {
    *weight += alpha;
    sums->Add(alpha, frame);
    return;
  }
  sums->Fire(kThreshold - *weight, frame);
  *weight += alpha;
  *weight -= kThreshold;
  sums->Begin(*weight, frame);
}

// Frames are pointers to (size) hidden vectors, or null for zeros.
class HostSums {
 public:
  explicit HostSums(std::int64_t size) : size_(size), frame_(size, 0.0f) {}

  void Add(float alpha, const float* hidden) {
    for (std::int64_t i = 0; i < size_ && hidden; ++i) frame_[i] += alpha * hidden[i];
  }

  void Fire(float needed, const float* hidden) {
    for (std::int64_t i = 0; i < size_; ++i) {
      out_.embeddings.push_back(hidden ? frame_[i] + needed * hidden[i] : frame_[i]);
    }
    ++out_.count;
  }

  void Begin(float weight, const float* hidden) {
    for (std::int64_t i = 0; i < size_; ++i) frame_[i] = hidden ? weight * hidden[i] : 0.0f;
  }

  CifTokens Finish(float weight) {
    if (weight > 0) {
      for (float& value : frame_) value /= weight;
    }
    out_.carry = {weight, std::move(frame_)};
    return std::move(out_);
  }

 private:
  const std::int64_t size_;
  std::vector<float> frame_;
  CifTokens out_;
};

// Frames are rows, or -1 for zeros.
class DeviceSums {
 public:
  explicit DeviceSums(WeightedRows* sums) : sums_(sums) { sums_->BeginSum(); }

  void Add(float alpha, std::int64_t row) {
    if (row >= 0) sums_->Add(row, alpha);
  }

  void Fire(float needed, std::int64_t row) {
    Add(needed, row);
    sums_->BeginSum();
    ++count_;
  }

  void Begin(float weight, std::int64_t row) { Add(weight, row); }

  std::int64_t Finish(float weight) {
    for (auto i = static_cast<std::size_t>(sums_->first.back());
         weight > 0 && i < sums_->weights.size(); ++i) {
      sums_->weights[i] /= weight;
    }
    return count_;
  }

 private:
  WeightedRows* sums_;
  std::int64_t count_ = 0;
};

}  // namespace

CifTokens IntegrateChunk(const CifCarry& carry, const CifChunk& chunk) {
  HostSums sums(chunk.size);
  float weight = 0;
  const float* none = nullptr;
  if (!carry.hidden.empty()) AddFrame(carry.weight, carry.hidden.data(), &weight, &sums);
  for (std::int64_t t = 0; t < chunk.rows; ++t) {
    AddFrame(chunk.alphas[t], chunk.hidden + t * chunk.size, &weight, &sums);
  }
  if (chunk.is_final) AddFrame(chunk.tail_threshold, none, &weight, &sums);
  return sums.Finish(weight);
}

std::int64_t AddChunkSums(const CifCarry& carry, const CifChunk& chunk, std::int64_t first_row,
                          std::int64_t carry_row, WeightedRows* sums, float* weight) {
  DeviceSums device_sums(sums);
  *weight = 0;
  if (!carry.hidden.empty()) AddFrame(carry.weight, carry_row, weight, &device_sums);
  for (std::int64_t t = 0; t < chunk.rows; ++t) {
    AddFrame(chunk.alphas[t], first_row + t, weight, &device_sums);
  }
  if (chunk.is_final) AddFrame(chunk.tail_threshold, std::int64_t{-1}, weight, &device_sums);
  return device_sums.Finish(*weight);
}

}  // namespace safeasr::asr
