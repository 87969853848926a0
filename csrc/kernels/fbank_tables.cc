#include "kernels/fbank_tables.h"

#include <cmath>
#include <stdexcept>

namespace safeasr::kernels {
namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;
constexpr double kBlackman = 0.42;

float MelScale(float hz) { return 1127.0f * std::log(1.0f + hz / 700.0f); }

}  // namespace

std::vector<float> MakeWindow(const std::string& type, int64_t size) {
  if (size < 1) {
    throw std::invalid_argument("window size: expected at least 1 sample, got " +
                                std::to_string(size));
  }
  const bool periodic = type == "hann";
  const double step = kTwoPi / static_cast<double>(periodic ? size : size - 1);
  std::vector<float> window(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    // A window of one sample has no width to taper over; the formulas would divide by zero.
    const double phase = size == 1 ? kTwoPi / 2 : step * static_cast<double>(i);
    double value = 0;
    if (type == "hamming") {
      value = 0.54 - 0.46 * std::cos(phase);
    } else if (type == "hanning" || type == "hann") {
      value = 0.5 - 0.5 * std::cos(phase);
    } else if (type == "povey") {
      value = std::pow(0.5 - 0.5 * std::cos(phase), 0.85);
    } else if (type == "sine") {
      value = std::sin(0.5 * phase);
    } else if (type == "rectangular") {
      value = 1.0;
    } else if (type == "blackman") {
      value = kBlackman - 0.5 * std::cos(phase) + (0.5 - kBlackman) * std::cos(2 * phase);
    } else {
      throw std::invalid_argument(
          "window: expected hamming, hanning, hann, povey, sine, rectangular or blackman, got '" +
          type + "'");
    }
    window[static_cast<size_t>(i)] = static_cast<float>(value);
  }
  return window;
}

std::vector<float> MelBank::Dense() const {
  const int64_t columns = n_mels();
  std::vector<float> dense(static_cast<size_t>((fft_size / 2 + 1) * columns), 0.0f);
  for (int64_t mel = 0; mel < columns; ++mel) {
    int64_t bin = first_bin[mel];
    for (int32_t k = weight_offset[mel]; k < weight_offset[mel + 1]; ++k, ++bin) {
      dense[static_cast<size_t>(bin * columns + mel)] = weights[k];
    }
  }
  return dense;
}

std::optional<MelBank> MakeMelBank(int64_t sample_rate, int64_t n_mels, int64_t fft_size,
                                   float low_hz, float high_hz) {
  MelBank bank;
  bank.fft_size = fft_size;
  bank.first_bin.reserve(n_mels);
  bank.weight_offset.reserve(n_mels + 1);
  bank.weight_offset.push_back(0);

  const float bin_width = static_cast<float>(sample_rate) / static_cast<float>(fft_size);
  const float mel_low = MelScale(low_hz);
  const float mel_step = (MelScale(high_hz) - mel_low) / static_cast<float>(n_mels + 1);
  for (int64_t mel = 0; mel < n_mels; ++mel) {
    const float left = mel_low + static_cast<float>(mel) * mel_step;
    const float centre = mel_low + static_cast<float>(mel + 1) * mel_step;
    const float right = mel_low + static_cast<float>(mel + 2) * mel_step;
    int64_t first = -1;
    // Kaldi leaves the Nyquist bin out of every filter, so the last bin is not visited.
    for (int64_t bin = 0; bin < fft_size / 2; ++bin) {
      const float at = MelScale(bin_width * static_cast<float>(bin));
      if (at <= left || at >= right) continue;
      if (first < 0) first = bin;
      bank.weights.push_back(at <= centre ? (at - left) / (centre - left)
                                          : (right - at) / (right - centre));
    }
    if (first < 0) return std::nullopt;
    bank.first_bin.push_back(static_cast<int32_t>(first));
    bank.weight_offset.push_back(static_cast<int32_t>(bank.weights.size()));
  }
  return bank;
}

int64_t NextPowerOfTwo(int64_t n) {
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}

}  // namespace safeasr::kernels
