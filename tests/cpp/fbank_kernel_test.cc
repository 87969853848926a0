// The filterbank's kernel, for every instruction set of this processor, against plain sums.
#include "kernels/fbank_kernel.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.h"

namespace safeasr::kernels {
namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;

std::vector<int> Lanes() {
  std::vector<int> lanes;
  for (const int one : {4, 8, 16}) {
    if (one <= SimdLanes()) lanes.push_back(one);
  }
  return lanes;
}

// A "filter" for each bin, so that energies are the power spectrum; the last bin too.
MelBank Bins(std::int64_t fft_size) {
  MelBank bank;
  bank.fft_size = fft_size;
  bank.weight_offset.push_back(0);
  for (std::int64_t bin = 0; bin <= fft_size / 2; ++bin) {
    bank.first_bin.push_back(static_cast<std::int32_t>(bin));
    bank.weights.push_back(1.0f);
    bank.weight_offset.push_back(static_cast<std::int32_t>(bin + 1));
  }
  return bank;
}

struct Case {
  Case(std::int64_t fft_size, std::int64_t window_size, std::int64_t frames)
      : fft(fft_size),
        bank(Bins(fft_size)),
        window(static_cast<std::size_t>(window_size)),
        wave(static_cast<std::size_t>(window_size + 37 * frames)) {
    std::mt19937 random(static_cast<unsigned>(fft_size + window_size));
    std::normal_distribution<float> normal;
    for (float& w : window) w = 0.5f + std::abs(normal(random));
    for (float& x : wave) x = normal(random) + 3;
    for (std::int64_t i = 0; i < frames; ++i) sources.push_back(wave.data() + 37 * i);
  }

  std::vector<float> Run(int lanes) const { return Run(lanes, 0, sources.size()); }

  std::vector<float> Run(int lanes, std::size_t first, std::size_t count) const {
    // Exactly as much as is asked for, so that a sanitizer sees one float too many.
    const std::unique_ptr<float[]> scratch(new float[static_cast<std::size_t>(FbankScratch(fft))]);
    std::vector<float> rows(count * static_cast<std::size_t>(bank.n_mels()), -1.0f);
    FbankFrames frames;
    frames.sources = sources.data() + first;
    frames.count = static_cast<std::int64_t>(count);
    frames.window = window.data();
    frames.window_size = static_cast<std::int64_t>(window.size());
    frames.preemphasis = 0.97f;
    frames.fft = &fft;
    frames.bank = &bank;
    frames.scratch = scratch.get();
    frames.rows = rows.data();
    MelEnergies(frames, lanes);
    return rows;
  }

  // One frame by the definition, in double.
  std::vector<double> Expected(std::size_t frame) const {
    const float* x = sources[frame];
    double mean = 0;
    for (std::size_t i = 0; i < window.size(); ++i) mean += x[i];
    mean /= static_cast<double>(window.size());
    std::vector<double> y;
    for (std::size_t i = 0; i < window.size(); ++i) {
      y.push_back(((x[i] - mean) - 0.97 * (x[i == 0 ? 0 : i - 1] - mean)) * window[i]);
    }
    std::vector<double> power;
    for (std::int64_t k = 0; k <= fft.size / 2; ++k) {
      std::complex<double> sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        const std::int64_t turn = k * static_cast<std::int64_t>(i) % fft.size;
        sum += y[i] *
               std::polar(1.0, -kTwoPi * static_cast<double>(turn) / static_cast<double>(fft.size));
      }
      power.push_back(std::norm(sum));
    }
    return power;
  }

  const RealFft fft;
  const MelBank bank;
  std::vector<float> window, wave;
  std::vector<const float*> sources;
};

TEST(EqualsTheDefinition) {
  for (const auto& [size, window] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{2, 2},
                                                          {4, 3},
                                                          {8, 8},
                                                          {16, 9},
                                                          {32, 32},
                                                          {64, 50},
                                                          {128, 128},
                                                          {256, 200},
                                                          {512, 400},
                                                          {1024, 640},
                                                          {2048, 1200}}) {
    const Case one(size, window, 5);
    for (const int lanes : Lanes()) {
      const std::vector<float> rows = one.Run(lanes);
      for (const std::size_t frame : {0u, 4u}) {
        const std::vector<double> expected = one.Expected(frame);
        const double loudest = *std::max_element(expected.begin(), expected.end());
        for (std::size_t k = 0; k < expected.size(); ++k) {
          const float got = rows[frame * expected.size() + k];
          // Rounding is relative to the loudest bin, in amplitude.
          const double error =
              std::abs(std::sqrt(static_cast<double>(got)) - std::sqrt(expected[k]));
          CHECK(error < 4e-7 * std::sqrt(loudest) + 4e-4);
        }
      }
    }
  }
}

TEST(CompanyChangesNoBit) {
  const Case one(512, 400, 16);
  const auto width = static_cast<std::ptrdiff_t>(one.bank.n_mels());
  for (const int lanes : Lanes()) {
    const std::vector<float> all = one.Run(lanes);
    for (const auto& [first, count] : std::vector<std::pair<std::size_t, std::size_t>>{
             {0, 1}, {15, 1}, {3, 4}, {1, 15}, {7, 9}}) {
      const std::vector<float> some = one.Run(lanes, first, count);
      CHECK(std::equal(some.begin(), some.end(),
                       all.begin() + static_cast<std::ptrdiff_t>(first) * width));
    }
  }
}

TEST(SilenceIsEpsilon) {
  Case one(512, 400, 16);
  std::fill(one.wave.begin(), one.wave.end(), 0.0f);
  for (const int lanes : Lanes()) {
    for (const float energy : one.Run(lanes)) {
      CHECK_EQ(energy, std::numeric_limits<float>::epsilon());
    }
  }
}

TEST(OnlyPowersOfTwo) {
  for (const std::int64_t size : {-2, 0, 1, 3, 100, 1 << 25}) {
    CHECK_THROWS(RealFft(size), std::invalid_argument);
  }
}

}  // namespace
}  // namespace safeasr::kernels
