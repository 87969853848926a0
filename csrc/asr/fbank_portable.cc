// Fbank as tensor operations, for devices other than the CPU. No device's own headers are needed.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "asr/fbank.h"

namespace safeasr::asr {
namespace {

constexpr int64_t kBlock = 16384;  // frames at a time: 32 MiB of them at 512 points

at::Tensor Upload(const std::vector<float>& values, at::IntArrayRef shape, at::Device device) {
  const at::Tensor host = at::empty(shape, at::kFloat);
  std::memcpy(host.data_ptr<float>(), values.data(), values.size() * sizeof(float));
  return host.to(device);
}

}  // namespace

const Fbank::DeviceTables& Fbank::TablesOn(at::Device device) const {
  // Slot 0 is for a device type without an index, such as the CPU in tests.
  const size_t slot = device.has_index() ? static_cast<size_t>(device.index()) + 1 : 0;
  if (slot >= kMaxDevices) {
    throw std::invalid_argument("device: expected an index below " +
                                std::to_string(kMaxDevices - 1) + ", got " + device.str());
  }
  const DeviceTables* tables = published_[slot].load(std::memory_order_acquire);
  if (tables != nullptr && tables->device == device) return *tables;

  const std::lock_guard<std::mutex> lock(upload_mutex_);
  for (const DeviceTables& known : uploaded_) {
    if (known.device == device) return known;
  }
  const MelBank& bank = banks_.back();
  uploaded_.push_back({device, Upload(window_, {window_size_}, device),
                       Upload(bank.Dense(), {bank.fft_size / 2 + 1, n_mels()}, device)});
  published_[slot].store(&uploaded_.back(), std::memory_order_release);
  return uploaded_.back();
}

at::Tensor Fbank::ComputePortable(const std::vector<c10::ArrayRef<float>>& waves,
                                  at::Device device) const {
  // Features are float32 whatever the caller's thread is set to: a reduced-precision product of
  // power spectra would cost several units of the logarithm's second decimal.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::NoTF32Guard no_tf32;

  std::vector<at::Tensor> parts;
  size_t begin = 0;
  while (begin < waves.size()) {
    if (static_cast<int64_t>(waves[begin].size()) < window_size_) {
      // A wave shorter than the window has one frame and tables of its own: not worth a transfer
      // of tables.
      const c10::ArrayRef<float> wave = waves[begin];
      const at::Tensor rows =
          at::empty({NumFrames(static_cast<int64_t>(wave.size())), n_mels()}, at::kFloat);
      ComputeOnCpu(wave, rows.data_ptr<float>());
      parts.push_back(rows.to(device));
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < waves.size() && static_cast<int64_t>(waves[end].size()) >= window_size_) ++end;
    parts.push_back(PortableRun(waves, begin, end, device));
    begin = end;
  }
  if (parts.empty()) return at::empty({0, n_mels()}, at::TensorOptions(at::kFloat).device(device));
  return parts.size() == 1 ? parts.front() : at::cat(parts, 0);
}

at::Tensor Fbank::PortableRun(const std::vector<c10::ArrayRef<float>>& waves, size_t begin,
                              size_t end, at::Device device) const {
  // All waves are laid into one row, each on a multiple of the shift, so that one strided view
  // holds every frame of every wave. The few frames that straddle two waves are dropped last.
  const int64_t spill = std::max<int64_t>(window_size_ - window_shift_, 0);
  const int64_t spill_slots = (spill + window_shift_ - 1) / window_shift_;
  int64_t slots = 0;
  int64_t total = 0;
  for (size_t i = begin; i < end; ++i) {
    const int64_t frames = NumFrames(static_cast<int64_t>(waves[i].size()));
    slots += frames + spill_slots;
    total += frames;
  }
  if (total == 0) return at::empty({0, n_mels()}, at::TensorOptions(at::kFloat).device(device));

  const at::Tensor flat = at::zeros(
      {std::max(slots * window_shift_ + spill, slots * window_shift_ + window_size_)}, at::kFloat);
  const at::Tensor kept = at::empty({total}, at::kLong);
  int64_t* kept_next = kept.data_ptr<int64_t>();
  int64_t slot = 0;
  for (size_t i = begin; i < end; ++i) {
    const c10::ArrayRef<float> wave = waves[i];
    const int64_t length = static_cast<int64_t>(wave.size());
    const int64_t frames = NumFrames(length);
    float* out = flat.data_ptr<float>() + slot * window_shift_;
    const int64_t first = FrameStart(0, window_size_);
    const int64_t used = (frames - 1) * window_shift_ + window_size_;
    for (int64_t s = 0; s < used; ++s) {
      int64_t at = first + s;
      while (at < 0 || at >= length) at = at < 0 ? -at - 1 : 2 * length - 1 - at;
      out[s] = wave[static_cast<size_t>(at)];
    }
    for (int64_t f = 0; f < frames; ++f) *kept_next++ = slot + f;
    slot += frames + spill_slots;
  }

  const DeviceTables& tables = TablesOn(device);
  const int64_t fft_size = banks_.back().fft_size;
  const at::Tensor all_frames = flat.to(device).unfold(0, window_size_, window_shift_);
  std::vector<at::Tensor> blocks;
  for (int64_t row = 0; row < slots; row += kBlock) {
    const int64_t count = std::min(kBlock, slots - row);
    const at::Tensor frames = all_frames.narrow(0, row, count);
    const at::Tensor centred = frames - frames.mean(1, /*keepdim=*/true);
    const at::Tensor shaped = at::zeros({count, fft_size}, centred.options());
    at::Tensor body = shaped.narrow(1, 0, window_size_);
    body.copy_(centred);
    body.narrow(1, 1, window_size_ - 1)
        .sub_(centred.narrow(1, 0, window_size_ - 1), options_.preemphasis);
    body.narrow(1, 0, 1).sub_(centred.narrow(1, 0, 1), options_.preemphasis);
    body.mul_(tables.window);
    const at::Tensor parts = at::view_as_real(at::_fft_r2c(shaped, {1}, 0, true));
    const at::Tensor power = parts.square().sum(-1);
    blocks.push_back(
        at::matmul(power, tables.mel).clamp_min_(std::numeric_limits<float>::epsilon()).log_());
  }
  const at::Tensor rows = blocks.size() == 1 ? blocks.front() : at::cat(blocks, 0);
  return rows.index_select(0, kept.to(device));
}

}  // namespace safeasr::asr
