// The sums keep Kaldi's order. That matters for a wave that is constant within a frame: what is
// left after removing the mean is the rounding of that mean, and its logarithm is as visible as any
// other.
#include "kernels/fbank_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace safeasr::kernels {
namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;

void PushTwiddle(double turns, std::vector<float>* to) {
  to->push_back(static_cast<float>(std::cos(kTwoPi * turns)));
  to->push_back(static_cast<float>(-std::sin(kTwoPi * turns)));
}

// One complex number a lane.
template <int kLanes>
struct Complex {
  typename Simd<kLanes>::Floats re, im;
};

template <int kLanes>
SAFEASR_INLINE void Load(const float* z, std::int64_t i, Complex<kLanes>& out) {
  out.re = At<kLanes>(z + 2 * i * kLanes);
  out.im = At<kLanes>(z + (2 * i + 1) * kLanes);
}

// z[i] = value * twiddle
template <int kLanes>
SAFEASR_INLINE void StoreTurned(const Complex<kLanes>& value, const float* twiddle, float* z,
                                std::int64_t i) {
  At<kLanes>(z + 2 * i * kLanes) = value.re * twiddle[0] - value.im * twiddle[1];
  At<kLanes>(z + (2 * i + 1) * kLanes) = value.re * twiddle[1] + value.im * twiddle[0];
}

template <int kLanes>
SAFEASR_INLINE void Store(const Complex<kLanes>& value, float* z, std::int64_t i) {
  At<kLanes>(z + 2 * i * kLanes) = value.re;
  At<kLanes>(z + (2 * i + 1) * kLanes) = value.im;
}

template <int kLanes>
SAFEASR_INLINE void Radix2(const RealFft::Step& step, const float* twiddles, float* z) {
  const std::int64_t half = step.size / 2;
  for (std::int64_t j = 0; j < half; ++j) {
    Complex<kLanes> a, b;
    Load<kLanes>(z, j, a);
    Load<kLanes>(z, j + half, b);
    const Complex<kLanes> sum{a.re + b.re, a.im + b.im}, difference{a.re - b.re, a.im - b.im};
    Store<kLanes>(sum, z, j);
    StoreTurned<kLanes>(difference, twiddles + 2 * j, z, j + half);
  }
}

template <int kLanes>
SAFEASR_INLINE void Radix4(const RealFft::Step& step, const float* twiddles, float* z) {
  const std::int64_t quarter = step.size / 4;
  for (std::int64_t j = 0; j < quarter; ++j) {
    Complex<kLanes> a, b, c, d;
    Load<kLanes>(z, j, a);
    Load<kLanes>(z, j + quarter, b);
    Load<kLanes>(z, j + 2 * quarter, c);
    Load<kLanes>(z, j + 3 * quarter, d);
    const Complex<kLanes> ac{a.re + c.re, a.im + c.im}, a_c{a.re - c.re, a.im - c.im};
    const Complex<kLanes> bd{b.re + d.re, b.im + d.im}, b_d{b.re - d.re, b.im - d.im};
    const Complex<kLanes> sum{ac.re + bd.re, ac.im + bd.im};
    const Complex<kLanes> second{ac.re - bd.re, ac.im - bd.im};
    const Complex<kLanes> first{a_c.re + b_d.im, a_c.im - b_d.re};  // a - ib - c + id
    const Complex<kLanes> third{a_c.re - b_d.im, a_c.im + b_d.re};  // a + ib - c - id
    const float* twiddle = twiddles + 6 * j;
    Store<kLanes>(sum, z, j);
    StoreTurned<kLanes>(first, twiddle, z, j + quarter);
    StoreTurned<kLanes>(second, twiddle + 2, z, j + 2 * quarter);
    StoreTurned<kLanes>(third, twiddle + 4, z, j + 3 * quarter);
  }
}

// The complex transform of the samples taken in pairs; results lie where `place` says.
template <int kLanes>
SAFEASR_INLINE void Transform(const RealFft& fft, float* z) {
  for (const RealFft::Step& step : fft.steps) {
    for (std::int64_t block = 0; block < fft.size / 2; block += step.size) {
      const float* twiddles = fft.twiddles.data() + step.first;
      float* part = z + 2 * block * kLanes;
      if (step.radix == 4) {
        Radix4<kLanes>(step, twiddles, part);
      } else {
        Radix2<kLanes>(step, twiddles, part);
      }
    }
  }
}

// |X[k]|^2 for k = 0 ... size / 2 of the real transform.
template <int kLanes>
SAFEASR_INLINE void PowerSpectrum(const RealFft& fft, const float* z, float* power) {
  using Floats = typename Simd<kLanes>::Floats;
  const std::int64_t half = fft.size / 2;
  Complex<kLanes> zero;
  Load<kLanes>(z, 0, zero);
  const Floats low = zero.re + zero.im, high = zero.re - zero.im;
  At<kLanes>(power) = low * low;
  At<kLanes>(power + half * kLanes) = high * high;
  for (std::int64_t k = 1; k <= half / 2; ++k) {
    Complex<kLanes> a, b;
    Load<kLanes>(z, fft.place[static_cast<std::size_t>(k)], a);
    Load<kLanes>(z, fft.place[static_cast<std::size_t>(half - k)], b);
    // Twice the transforms of the even and of the odd samples.
    const Complex<kLanes> even{a.re + b.re, a.im - b.im}, odd{a.im + b.im, b.re - a.re};
    const float c = fft.halves[static_cast<std::size_t>(2 * k)];
    const float s = fft.halves[static_cast<std::size_t>(2 * k + 1)];
    const Complex<kLanes> turned{odd.re * c - odd.im * s, odd.re * s + odd.im * c};
    const Floats re = even.re + turned.re, im = even.im + turned.im;
    const Floats mirrored_re = even.re - turned.re, mirrored_im = even.im - turned.im;
    At<kLanes>(power + k * kLanes) = (re * re + im * im) * 0.25f;
    At<kLanes>(power + (half - k) * kLanes) =
        (mirrored_re * mirrored_re + mirrored_im * mirrored_im) * 0.25f;
  }
}

// Frames `begin` to `begin + kLanes`; a lane without a frame of its own repeats the last one.
template <int kLanes>
SAFEASR_INLINE void RunLanes(const FbankFrames& f, std::int64_t begin) {
  using Floats = typename Simd<kLanes>::Floats;
  const RealFft& fft = *f.fft;
  const MelBank& bank = *f.bank;
  float* z = f.scratch;
  float* power = z + fft.size * kLanes;
  for (int lane = 0; lane < kLanes; ++lane) {
    const float* source = f.sources[std::min<std::int64_t>(begin + lane, f.count - 1)];
    for (std::int64_t i = 0; i < f.window_size; ++i) z[i * kLanes + lane] = source[i];
  }

  Floats sum = {};
  for (std::int64_t i = 0; i < f.window_size; ++i) sum += At<kLanes>(z + i * kLanes);
  const Floats mean = sum / static_cast<float>(f.window_size);
  Floats before = At<kLanes>(z) - mean;
  for (std::int64_t i = 0; i < f.window_size; ++i) {
    const Floats now = At<kLanes>(z + i * kLanes) - mean;
    At<kLanes>(z + i * kLanes) = (now - f.preemphasis * before) * f.window[i];
    before = now;
  }
  std::fill(z + f.window_size * kLanes, z + fft.size * kLanes, 0.0f);

  Transform<kLanes>(fft, z);
  PowerSpectrum<kLanes>(fft, z, power);

  const std::int64_t n_mels = bank.n_mels(),
                     count = std::min<std::int64_t>(kLanes, f.count - begin);
  for (std::int64_t mel = 0; mel < n_mels; ++mel) {
    const auto m = static_cast<std::size_t>(mel);
    const float* bins = power + bank.first_bin[m] * kLanes;
    const float* weights = bank.weights.data() + bank.weight_offset[m];
    const std::int64_t width = bank.weight_offset[m + 1] - bank.weight_offset[m];
    Floats energy = {};
    for (std::int64_t k = 0; k < width; ++k) energy += weights[k] * At<kLanes>(bins + k * kLanes);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      f.rows[(begin + lane) * n_mels + mel] =
          std::max(energy[lane], std::numeric_limits<float>::epsilon());
    }
  }
}

template <int kLanes>
SAFEASR_INLINE void Run(const FbankFrames& frames) {
  for (std::int64_t begin = 0; begin < frames.count; begin += kLanes) {
    RunLanes<kLanes>(frames, begin);
  }
}

SAFEASR_ENTRY_POINTS(RunFbank, Run, FbankFrames)

}  // namespace

RealFft::RealFft(std::int64_t points) : size(points) {
  if (size < 2 || size > 1 << 24 || (size & (size - 1)) != 0) {
    throw std::invalid_argument("transform: expected a power of two from 2 to 16777216, got " +
                                std::to_string(size));
  }
  const std::int64_t half = size / 2;
  for (std::int64_t left = half; left > 1;) {
    const bool odd = steps.empty() && (left & 0x2AAAAAA) != 0;  // an odd power of two
    const std::int64_t radix = odd ? 2 : 4;
    steps.push_back({radix, left, static_cast<std::int64_t>(twiddles.size())});
    for (std::int64_t j = 0; j < left / radix; ++j) {
      for (std::int64_t q = 1; q < radix; ++q) {
        PushTwiddle(static_cast<double>(q * j) / static_cast<double>(left), &twiddles);
      }
    }
    left /= radix;
  }
  // A step's part number q of a transform holds every radix-th result, from number q on.
  place.resize(static_cast<std::size_t>(half));
  for (std::int64_t at = 0; at < half; ++at) {
    std::int64_t rest = at, stride = 1, number = 0;
    for (const Step& step : steps) {
      const std::int64_t part = step.size / step.radix;
      number += rest / part * stride;
      rest %= part;
      stride *= step.radix;
    }
    place[static_cast<std::size_t>(number)] = static_cast<std::int32_t>(at);
  }
  for (std::int64_t k = 0; k <= half / 2; ++k) {
    PushTwiddle(static_cast<double>(k) / static_cast<double>(size), &halves);
  }
}

std::int64_t FbankScratch(const RealFft& fft) {
  return (fft.size + fft.size / 2 + 1) * kFbankFrames;
}

void MelEnergies(const FbankFrames& frames, int lanes) { RunFbank(frames, lanes); }

}  // namespace safeasr::kernels
