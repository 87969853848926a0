#include "asr/ops/fsmn_vad_op.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "kernels/fsmn_vad_kernel.h"
#include "runtime/layer_hook.h"

namespace safeasr::asr {
namespace {

std::tuple<at::Tensor, at::Tensor> OnePass(const kernels::FsmnVadNetwork& net,
                                           const at::Tensor& features, const at::Tensor& lengths,
                                           const at::Tensor& cache) {
  const kernels::FsmnVadSizes& s = net.sizes;
  const std::int64_t batch = features.size(0), frames = features.size(1);
  const at::Tensor x = features.contiguous(), counts = lengths.to(at::kLong).contiguous();
  const at::Tensor next = cache.clone(at::MemoryFormat::Contiguous);
  const at::Tensor scores = at::empty({batch, frames, s.classes}, x.options());
  std::vector<kernels::FsmnVadPiece> pieces;
  std::int64_t rows = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t count = counts.data_ptr<std::int64_t>()[b];
    TORCH_CHECK(count >= 0 && count <= frames, "fsmn_vad: a length is ", count, " of ", frames);
    float* own = scores.data_ptr<float>() + b * frames * s.classes;
    pieces.push_back({x.data_ptr<float>() + b * frames * s.input,
                      next.data_ptr<float>() + b * s.layers * s.past * s.proj, own, count});
    std::fill(own + count * s.classes, own + frames * s.classes, 0.0f);
    rows += count;
  }
  const at::Tensor scratch = at::empty({kernels::FsmnVadScratch(s, rows)}, x.options());
  kernels::ScoreFsmnVad(net, pieces, scratch.data_ptr<float>(), kernels::SimdLanes(),
                        &runtime::ThrowIfUnwanted);
  return {scores, next};
}

// The memory of rows that come after others: known (batch, past + frames, size), taps (past + 1,
// size), the latest row's last. Returns (batch, frames, size).
at::Tensor Remember(const at::Tensor& known, const at::Tensor& taps) {
  const std::int64_t past = taps.size(0) - 1;
  const at::Tensor filtered =
      at::conv1d(known.transpose(1, 2), taps.t().unsqueeze(1), /*bias=*/at::Tensor(),
                 /*stride=*/at::IntArrayRef{1}, /*padding=*/at::IntArrayRef{0},
                 /*dilation=*/at::IntArrayRef{1}, /*groups=*/known.size(2));
  return filtered.transpose(1, 2) + known.narrow(1, past, known.size(1) - past);
}

// Cuts the weights up once more, as tensors.
class Tensors {
 public:
  explicit Tensors(at::Tensor weights) : weights_(std::move(weights)) {}

  at::Tensor Matrix(std::int64_t rows, std::int64_t columns) {
    const std::int64_t padded = kernels::FsmnVadPadded(columns);
    const at::Tensor made = weights_.narrow(0, at_, rows * padded).view({rows, padded});
    at_ += rows * padded;
    return made.narrow(1, 0, columns);
  }

  at::Tensor Linear(const at::Tensor& x, std::int64_t in, std::int64_t out) {
    const at::Tensor product = at::matmul(x, Matrix(in, out));
    return product + Matrix(1, out)[0];
  }

 private:
  const at::Tensor weights_;
  std::int64_t at_ = 0;
};

std::tuple<at::Tensor, at::Tensor> ByTensorOperations(const kernels::FsmnVadSizes& s,
                                                      const at::Tensor& features,
                                                      const at::Tensor& lengths,
                                                      const at::Tensor& cache,
                                                      const at::Tensor& weights) {
  const std::int64_t batch = features.size(0), frames = features.size(1);
  Tensors read(weights);
  // Which rows of past and present, one after the other, are the past of the next step.
  const at::Tensor newest = (lengths.unsqueeze(1) + at::arange(s.past, lengths.options()))
                                .unsqueeze(2)
                                .expand({batch, s.past, s.proj});
  at::Tensor x = read.Linear(features, s.input, s.input_affine);
  x = at::relu(read.Linear(x, s.input_affine, s.linear));
  std::vector<at::Tensor> caches;
  for (std::int64_t i = 0; i < s.layers; ++i) {
    runtime::BetweenLayers(x);
    const at::Tensor projected = at::matmul(x, read.Matrix(s.linear, s.proj));
    const at::Tensor known = at::cat({cache.select(1, i), projected}, 1);
    const at::Tensor remembered = Remember(known, read.Matrix(s.past + 1, s.proj).contiguous());
    x = at::relu(read.Linear(remembered, s.proj, s.linear));
    caches.push_back(known.gather(1, newest));
  }
  x = read.Linear(x, s.linear, s.output_affine);
  x = read.Linear(x, s.output_affine, s.classes);
  if (s.softmax) x = at::softmax(x, -1);
  const at::Tensor real = at::arange(frames, lengths.options()).unsqueeze(0) < lengths.unsqueeze(1);
  return {at::where(real.unsqueeze(2), x, at::zeros({}, x.options())), at::stack(caches, 1)};
}

bool FloatsOnCpu(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

}  // namespace

std::tuple<at::Tensor, at::Tensor> FsmnVad(const at::Tensor& features, const at::Tensor& lengths,
                                           const at::Tensor& cache, const at::Tensor& weights,
                                           at::IntArrayRef sizes) {
  TORCH_CHECK(weights.dim() == 1 && weights.is_contiguous() && features.dim() == 3,
              "fsmn_vad expects weights (n) and features (batch, time, size), got ",
              weights.sizes(), " and ", features.sizes());
  const bool plain =
      FloatsOnCpu(features) && FloatsOnCpu(cache) && FloatsOnCpu(weights) && lengths.is_cpu();
  TORCH_CHECK(sizes.size() == 9, "fsmn_vad: expected 9 sizes, got ", sizes.size());
  const kernels::FsmnVadNetwork net({sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5],
                                     sizes[6], sizes[7], sizes[8] != 0},
                                    plain ? weights.data_ptr<float>() : nullptr, weights.numel());
  const kernels::FsmnVadSizes& s = net.sizes;
  const std::int64_t batch = features.size(0);
  TORCH_CHECK(features.size(2) == s.input && lengths.sizes() == at::IntArrayRef({batch}) &&
                  cache.sizes() == at::IntArrayRef({batch, s.layers, s.past, s.proj}),
              "fsmn_vad expects features (batch, time, ", s.input,
              "), lengths (batch) and a cache "
              "(batch, ",
              s.layers, ", ", s.past, ", ", s.proj, "), got ", features.sizes(), ", ",
              lengths.sizes(), " and ", cache.sizes());
  if (plain) return OnePass(net, features, lengths, cache);
  return ByTensorOperations(s, features, lengths, cache, weights);
}

void RegisterFsmnVad() {
  static const auto library = [] {
    torch::Library made(torch::Library::FRAGMENT, "safeasr", std::nullopt, __FILE__, __LINE__);
    made.def(
        "fsmn_vad(Tensor features, Tensor lengths, Tensor cache, Tensor weights, int[] sizes) -> "
        "(Tensor, Tensor)",
        &FsmnVad);
    return made;
  }();
}

}  // namespace safeasr::asr
