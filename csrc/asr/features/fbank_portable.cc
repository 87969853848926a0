// Fbank as tensor operations, for devices other than the CPU. No device's own headers are needed.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "asr/features/fbank.h"
#include "asr/features/mirrored.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

constexpr int64_t kBlock = 16384;  // frames at a time: 32 MiB of them at 512 points

// Transforms are made for so many frames at least, and for powers of two. A device's library plans
// each number of them once, which takes longer than to transform; so it sees few.
constexpr int64_t kFewestTransforms = 256;

int64_t Transforms(int64_t frames) {
  int64_t count = kFewestTransforms;
  while (count < frames) count *= 2;
  return count;
}

// Waits until they are there: others use the table on streams of their own.
at::Tensor UploadTable(const std::vector<float>& values, at::IntArrayRef shape, at::Device device) {
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
  const kernels::MelBank& bank = banks_.back();
  uploaded_.push_back({device, UploadTable(window_, {window_size_}, device),
                       UploadTable(bank.Dense(), {bank.fft_size / 2 + 1, n_mels()}, device)});
  published_[slot].store(&uploaded_.back(), std::memory_order_release);
  return uploaded_.back();
}

at::Tensor Fbank::ComputePortable(const std::vector<c10::ArrayRef<float>>& waves,
                                  at::Device device) const {
  // Features are float32 whatever the caller's thread is set to: a reduced-precision product of
  // power spectra would cost several units of the logarithm's second decimal.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::NoTF32Guard no_tf32;

  // A wave shorter than the window has one frame and tables of its own: not worth a transfer of
  // tables. So those are done here, all others there, each kind in one go.
  std::vector<c10::ArrayRef<float>> whole;
  std::vector<int64_t> order;  // of all rows, among those of whole waves, then of short ones
  int64_t whole_rows = 0, short_rows = 0;
  for (const auto& wave : waves) {
    const auto length = static_cast<int64_t>(wave.size());
    (length < window_size_ ? short_rows : whole_rows) += NumFrames(length);
    if (length >= window_size_) whole.push_back(wave);
  }
  const at::Tensor there = PortableRun(whole, device);
  if (short_rows == 0) return there;

  const at::Tensor here = runtime::Staging({short_rows, n_mels()}, at::kFloat, device);
  int64_t next_whole = 0, next_short = 0;
  for (const auto& wave : waves) {
    const auto length = static_cast<int64_t>(wave.size());
    const int64_t frames = NumFrames(length);
    if (length >= window_size_) {
      for (int64_t f = 0; f < frames; ++f) order.push_back(next_whole++);
    } else {
      ComputeOnCpu(wave, here.data_ptr<float>() + next_short * n_mels());
      for (int64_t f = 0; f < frames; ++f) order.push_back(whole_rows + next_short++);
    }
  }
  return at::cat({there, runtime::Upload(here, device)})
      .index_select(0, runtime::Upload(order, device));
}

at::Tensor Fbank::PortableRun(const std::vector<c10::ArrayRef<float>>& waves,
                              at::Device device) const {
  // All waves are laid into one row, each on a multiple of the shift, so that one strided view
  // holds every frame of every wave. The few frames that straddle two waves are dropped last.
  const int64_t spill = std::max<int64_t>(window_size_ - window_shift_, 0);
  const int64_t spill_slots = (spill + window_shift_ - 1) / window_shift_;
  int64_t slots = 0;
  int64_t total = 0;
  for (const auto& wave : waves) {
    const int64_t frames = NumFrames(static_cast<int64_t>(wave.size()));
    slots += frames + spill_slots;
    total += frames;
  }
  if (total == 0) return at::empty({0, n_mels()}, at::TensorOptions(at::kFloat).device(device));

  const at::Tensor flat =
      runtime::Staging({slots * window_shift_ + std::max(spill, window_size_)}, at::kFloat, device);
  const at::Tensor kept = runtime::Staging({total}, at::kLong, device);
  int64_t* kept_next = kept.data_ptr<int64_t>();
  float* const begin = flat.data_ptr<float>();
  float* filled = begin;  // what lies between two waves is read, and dropped: it need be a number
  int64_t slot = 0;
  for (const auto& wave : waves) {
    const int64_t frames = NumFrames(static_cast<int64_t>(wave.size()));
    if (frames == 0) continue;
    const int64_t used = (frames - 1) * window_shift_ + window_size_;
    float* const out = begin + slot * window_shift_;
    std::fill(filled, out, 0.0f);
    CopyMirrored(wave, FrameStart(0, window_size_), used, out);
    filled = out + used;
    for (int64_t f = 0; f < frames; ++f) *kept_next++ = slot + f;
    slot += frames + spill_slots;
  }
  std::fill(filled, begin + flat.numel(), 0.0f);

  const DeviceTables& tables = TablesOn(device);
  const int64_t fft_size = banks_.back().fft_size;
  const at::Tensor all_frames =
      runtime::Upload(flat, device).unfold(0, window_size_, window_shift_);
  std::vector<at::Tensor> blocks;
  for (int64_t row = 0; row < slots; row += kBlock) {
    const int64_t count = std::min(kBlock, slots - row);
    const at::Tensor frames = all_frames.narrow(0, row, count);
    const at::Tensor centred = frames - frames.mean(1, /*keepdim=*/true);
    const at::Tensor shaped = at::zeros({Transforms(count), fft_size}, centred.options());
    at::Tensor body = shaped.narrow(0, 0, count).narrow(1, 0, window_size_);
    body.copy_(centred);
    body.narrow(1, 1, window_size_ - 1)
        .sub_(centred.narrow(1, 0, window_size_ - 1), options_.preemphasis);
    body.narrow(1, 0, 1).sub_(centred.narrow(1, 0, 1), options_.preemphasis);
    body.mul_(tables.window);
    const at::Tensor parts =
        at::view_as_real(at::_fft_r2c(shaped, {1}, 0, true)).narrow(0, 0, count);
    const at::Tensor power = parts.square().sum(-1);
    blocks.push_back(
        at::matmul(power, tables.mel).clamp_min_(std::numeric_limits<float>::epsilon()).log_());
  }
  const at::Tensor rows = blocks.size() == 1 ? blocks.front() : at::cat(blocks, 0);
  return rows.index_select(0, runtime::Upload(kept, device));
}

}  // namespace safeasr::asr
