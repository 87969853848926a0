// Kaldi-compatible log mel filterbank features.
//
// Source: Kaldi's compute-fbank-feats as FunASR calls it (funasr/frontends/wav_frontend.py and
// funasr/utils/fbank.py): power spectrum, natural logarithm, no energy term.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/fbank_kernel.h"
#include "kernels/fbank_tables.h"

namespace safeasr::asr {

struct FbankOptions {
  int64_t sample_rate = 16000;    // Hz
  int64_t n_mels = 80;            // filters
  double frame_length_ms = 25.0;  // analysis window
  double frame_shift_ms = 10.0;
  std::string window = "hamming";  // see MakeWindow
  bool snip_edges = true;          // true: only windows that lie inside the wave; false: one window
                                   // per shift, the wave mirrored at both ends
  float scale = 32768.0f;          // samples are multiplied by this: [-1, 1] to 16 bit range
  float preemphasis = 0.97f;
  float low_hz = 20.0f;
  float high_hz = 0.0f;  // at most Nyquist; zero or below: counted down from Nyquist
  double dither = 0.0;   // standard deviation of the noise added, in units after scaling
};

// Immutable after construction, so any number of threads may call it at once. Nothing here takes a
// lock, except the first call for a device other than the CPU, which uploads that device's tables.
class Fbank {
 public:
  // Throws std::invalid_argument when the options cannot give features.
  explicit Fbank(FbankOptions options);

  const FbankOptions& options() const { return options_; }
  int64_t n_mels() const { return options_.n_mels; }
  // Samples of the full window and from one frame to the next.
  int64_t window_size() const { return window_size_; }
  int64_t window_shift() const { return window_shift_; }

  // Frames that a wave of `samples` samples gives. A wave shorter than the window is analysed with
  // a window of its own length, as FunASR does; an empty wave has no frames.
  int64_t NumFrames(int64_t samples) const;

  // Features of several waves, (sum of their frames, n_mels) float32 on `device`, one wave's rows
  // after another's. Rows of a wave are the same bits on the CPU whatever the other waves are; on
  // another device the last bits may differ. Samples must be finite.
  // With dither, each wave draws its noise from a generator seeded with `dither_seed`.
  at::Tensor Compute(const std::vector<c10::ArrayRef<float>>& waves, at::Device device,
                     uint64_t dither_seed = 0) const;

  // The CPU kernel: fills `rows`, (NumFrames(wave.size()), n_mels) row-major float32.
  void ComputeOnCpu(c10::ArrayRef<float> wave, float* rows, uint64_t dither_seed = 0) const;

  // The same features from tensor operations alone, which is what devices other than the CPU run.
  // Accepts the CPU too, so that it can be tested anywhere. Ignores dither.
  at::Tensor ComputePortable(const std::vector<c10::ArrayRef<float>>& waves,
                             at::Device device) const;

 private:
  // How a wave is cut: its window, transform size and filters. A wave at least as long as the full
  // window uses the tables built once; a shorter one makes its few window coefficients itself.
  struct Plan {
    int64_t frames = 0;
    int64_t window_size = 0;
    const kernels::MelBank* bank = nullptr;
    const kernels::RealFft* fft = nullptr;  // of the bank's size
  };
  struct DeviceTables {
    at::Device device;
    at::Tensor window;  // (window_size), times the scale
    at::Tensor mel;     // (fft_size / 2 + 1, n_mels)
  };

  int64_t WindowSizeFor(int64_t samples) const;
  Plan PlanFor(int64_t samples) const;
  // First sample of a frame; negative for a window that starts before the wave.
  int64_t FrameStart(int64_t frame, int64_t window_size) const;
  const DeviceTables& TablesOn(at::Device device) const;
  // Waves at least as long as the window, in one go.
  at::Tensor PortableRun(const std::vector<c10::ArrayRef<float>>& waves, at::Device device) const;

  FbankOptions options_;
  int64_t window_size_ = 0;
  int64_t window_shift_ = 0;
  std::vector<float> window_;            // the full window times the scale
  std::vector<kernels::MelBank> banks_;  // by transform size, the full window's last
  std::vector<kernels::RealFft> ffts_;   // for each of them

  // Tables are only ever appended. `published_` holds what readers may see; deque keeps addresses.
  static constexpr size_t kMaxDevices = 64;
  mutable std::mutex upload_mutex_;
  mutable std::deque<DeviceTables> uploaded_;
  mutable std::array<std::atomic<const DeviceTables*>, kMaxDevices> published_{};
};

}  // namespace safeasr::asr
