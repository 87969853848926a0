#include "kernels/decibels.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace safeasr::kernels {
namespace {

// Pairwise: eight running sums for up to 128 values, halves for more.
float SumOfSquares(const float* x, std::int64_t count) {
  constexpr std::int64_t kLanes = 8, kBlock = 128;
  if (count < kLanes) {
    float sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += x[i] * x[i];
    return sum;
  }
  if (count > kBlock) {
    const std::int64_t half = count / 2 - count / 2 % kLanes;
    return SumOfSquares(x, half) + SumOfSquares(x + half, count - half);
  }
  float lanes[kLanes];
  for (std::int64_t k = 0; k < kLanes; ++k) lanes[k] = x[k] * x[k];
  std::int64_t i = kLanes;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      const float square = x[i + k] * x[i + k];
      lanes[k] += square;
    }
  }
  float sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
              ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  for (; i < count; ++i) sum += x[i] * x[i];
  return sum;
}

}  // namespace

std::vector<float> Decibels(const std::vector<float>& wave, std::int64_t count, std::int64_t size,
                            std::int64_t shift) {
  if (count > 0 && static_cast<std::int64_t>(wave.size()) < (count - 1) * shift + size) {
    throw std::invalid_argument("decibels: " + std::to_string(count) + " windows need " +
                                std::to_string((count - 1) * shift + size) + " samples, got " +
                                std::to_string(wave.size()));
  }
  std::vector<float> decibels;
  decibels.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    decibels.push_back(10.0f * std::log10(SumOfSquares(wave.data() + i * shift, size) + 1e-6f));
  }
  return decibels;
}

}  // namespace safeasr::kernels
