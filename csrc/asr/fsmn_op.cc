#include "asr/fsmn_op.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>

// The compiler makes a version for each instruction set, and the loader picks one: the extension is
// built for any x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define SAFEASR_FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SAFEASR_FOR_EACH_CPU
#endif

namespace safeasr::asr {
namespace {

// Channels that are summed in registers at a time: four registers of AVX-512, eight of AVX2.
constexpr std::int64_t kChannels = 64;

// One utterance. Row strides are in floats; channels are adjacent.
struct Rows {
  const float* x;
  std::int64_t x_stride;
  const float* mask;  // one value a row, or null
  const float* residual;
  std::int64_t residual_stride;
  float* out;
  std::int64_t frames, size;
};

SAFEASR_FOR_EACH_CPU
void FilterRows(const Rows& rows, const float* taps, std::int64_t kernel, std::int64_t left,
                std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t first = std::max<std::int64_t>(0, left - t);
    const std::int64_t last = std::min(kernel, rows.frames - t + left);
    for (std::int64_t c = 0; c < rows.size; c += kChannels) {
      const std::int64_t n = std::min(kChannels, rows.size - c);
      float sum[kChannels] = {};
      if (rows.residual != nullptr) {
        const float* r = rows.residual + t * rows.residual_stride + c;
        for (std::int64_t i = 0; i < n; ++i) sum[i] = r[i];
      }
      if (rows.mask == nullptr || rows.mask[t] != 0) {
        const float* v = rows.x + t * rows.x_stride + c;
        for (std::int64_t i = 0; i < n; ++i) sum[i] += v[i];
      }
      for (std::int64_t k = first; k < last; ++k) {
        const std::int64_t from = t + k - left;
        if (rows.mask != nullptr && rows.mask[from] == 0) continue;
        const float* v = rows.x + from * rows.x_stride + c;
        const float* w = taps + k * rows.size + c;
        if (n == kChannels) {  // a length that the compiler knows stays in registers
          for (std::int64_t i = 0; i < kChannels; ++i) sum[i] += w[i] * v[i];
        } else {
          for (std::int64_t i = 0; i < n; ++i) sum[i] += w[i] * v[i];
        }
      }
      float* out = rows.out + t * rows.size + c;
      for (std::int64_t i = 0; i < n; ++i) out[i] = sum[i];
    }
  }
}

at::Tensor OnePass(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                   const at::Tensor& mask, const at::Tensor& residual) {
  const std::int64_t batch = x.size(0), frames = x.size(1), size = x.size(2);
  at::Tensor out = at::empty({batch, frames, size}, x.options());
  for (std::int64_t b = 0; b < batch; ++b) {
    const Rows rows{
        x.data_ptr<float>() + b * x.stride(0),
        x.stride(1),
        mask.defined() ? mask.data_ptr<float>() + b * frames : nullptr,
        residual.defined() ? residual.data_ptr<float>() + b * residual.stride(0) : nullptr,
        residual.defined() ? residual.stride(1) : 0,
        out.data_ptr<float>() + b * frames * size,
        frames,
        size};
    constexpr std::int64_t kWorthAThread = 64;  // rows; below, starting a thread costs more
    at::parallel_for(0, frames, kWorthAThread, [&](std::int64_t begin, std::int64_t end) {
      FilterRows(rows, taps.data_ptr<float>(), taps.size(0), left, begin, end);
    });
  }
  return out;
}

at::Tensor ByTensorOperations(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                              const at::Tensor& mask, const at::Tensor& residual) {
  const at::Tensor v = mask.defined() ? x * mask : x;
  const at::Tensor padded = at::constant_pad_nd(v.transpose(1, 2), {left, taps.size(0) - 1 - left});
  const at::Tensor filtered = at::conv1d(
      padded, taps.t().unsqueeze(1), /*bias=*/at::Tensor(), /*stride=*/at::IntArrayRef{1},
      /*padding=*/at::IntArrayRef{0}, /*dilation=*/at::IntArrayRef{1},
      /*groups=*/x.size(2));
  const at::Tensor out = filtered.transpose(1, 2) + v;
  return residual.defined() ? out + residual : out;
}

bool Plain(const at::Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.stride(-1) == 1;
}

}  // namespace

at::Tensor FsmnMemory(const at::Tensor& x, const at::Tensor& taps, std::int64_t left,
                      const std::optional<at::Tensor>& mask,
                      const std::optional<at::Tensor>& residual) {
  TORCH_CHECK(x.dim() == 3 && taps.dim() == 2 && taps.size(1) == x.size(2),
              "fsmn_memory expects x (batch, time, size) and taps (kernel, size), got ", x.sizes(),
              " and ", taps.sizes());
  TORCH_CHECK(left >= 0 && left < taps.size(0), "fsmn_memory: left is ", left, " of a kernel of ",
              taps.size(0));
  const at::Tensor m = mask ? mask->contiguous() : at::Tensor();
  const at::Tensor r = residual ? *residual : at::Tensor();
  TORCH_CHECK(!m.defined() || m.numel() == x.size(0) * x.size(1),
              "fsmn_memory expects a mask (batch, time, 1), got ", m.sizes());
  TORCH_CHECK(!r.defined() || r.sizes() == x.sizes(), "fsmn_memory expects a residual like x, got ",
              r.sizes());
  if (Plain(x) && Plain(taps) && taps.is_contiguous() && (!m.defined() || Plain(m)) &&
      (!r.defined() || Plain(r))) {
    return OnePass(x, taps, left, m, r);
  }
  return ByTensorOperations(x, taps, left, m, r);
}

void RegisterFsmnMemory() {
  static const auto library = [] {
    torch::Library made(torch::Library::DEF, "safeasr", std::nullopt, __FILE__, __LINE__);
    made.def(
        "fsmn_memory(Tensor x, Tensor taps, int left, Tensor? mask, Tensor? residual) -> Tensor",
        &FsmnMemory);
    return made;
  }();
}

}  // namespace safeasr::asr
