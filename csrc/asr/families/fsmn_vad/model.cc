#include "asr/families/fsmn_vad/model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "kernels/decibels.h"
#include "runtime/layer_hook.h"
#include "runtime/program_outputs.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

// Rows that are scored in one go, about: a minute. More would only take memory.
constexpr std::int64_t kBlockRows = 6000;

}  // namespace

VadModel::VadModel(std::shared_ptr<const OnlineFrontend> frontend,
                   std::shared_ptr<const runtime::Program> scorer,
                   std::vector<std::int64_t> cache_shape)
    : frontend_(std::move(frontend)),
      scorer_(std::move(scorer)),
      cache_shape_(std::move(cache_shape)) {}

at::Tensor VadModel::FreshCache() const { return at::zeros(cache_shape_, at::kFloat); }

std::size_t VadModel::ChunkSamples(double chunk_ms) const {
  return static_cast<std::size_t>(chunk_ms * frontend_->config().sample_rate / 1000);
}

VadBlock VadModel::NextBlock(OnlineFrontendState& state, c10::ArrayRef<float> samples,
                             bool is_final, double chunk_ms, std::size_t* next) const {
  const FrontendConfig& config = frontend_->config();
  const std::size_t size = ChunkSamples(chunk_ms);
  const std::int64_t row_shift = config.lfr_n * frontend_->window_shift();
  VadBlock block;
  std::vector<at::Tensor> parts;
  std::int64_t rows = 0;
  for (bool ended = false; !ended && rows < kBlockRows;) {
    runtime::ThrowIfUnwanted();
    const std::size_t left = samples.size() - *next;
    ended = is_final && left < size;
    if (left < size && !ended) break;
    const c10::ArrayRef<float> piece = samples.slice(*next, std::min(left, size));
    OnlineFeatures features = frontend_->Accept(state, piece, ended, /*keep_wave=*/true);
    *next += piece.size();
    VadChunk chunk;
    chunk.rows = features.values.size(0);
    chunk.decibels =
        kernels::Decibels(features.wave, chunk.rows, frontend_->window_size(), row_shift);
    chunk.is_final = ended;
    rows += chunk.rows;
    parts.push_back(std::move(features.values));
    block.chunks.push_back(std::move(chunk));
  }
  if (parts.size() == 1) {
    block.features = std::move(parts.front());
  } else if (parts.empty()) {
    block.features = at::empty({0, frontend_->FeatureSize()}, at::kFloat);
  } else {
    block.features = at::cat(parts);
  }
  return block;
}

VadScores VadModel::Score(const std::vector<VadBlock>& blocks,
                          const std::vector<at::Tensor>& caches,
                          runtime::DeviceContext& context) const {
  const at::Device device = context.device();
  VadScores out{std::vector<at::Tensor>(blocks.size(), at::empty({0, 0}, at::kFloat)), caches};
  std::vector<std::size_t> streams;  // those with rows
  std::vector<std::int64_t> lengths;
  std::vector<at::Tensor> stacked;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].features.size(0) == 0) continue;
    streams.push_back(i);
    lengths.push_back(blocks[i].features.size(0));
    stacked.push_back(runtime::Upload(caches[i], device));
  }
  if (streams.empty()) return out;

  at::Tensor features;
  if (streams.size() == 1) {
    features = blocks[streams.front()].features.unsqueeze(0);
  } else {
    features = runtime::Staging(
                   {static_cast<std::int64_t>(streams.size()),
                    *std::max_element(lengths.begin(), lengths.end()), frontend_->FeatureSize()},
                   at::kFloat, device)
                   .zero_();
    for (std::size_t k = 0; k < streams.size(); ++k) {
      features[static_cast<std::int64_t>(k)]
          .narrow(0, 0, lengths[k])
          .copy_(blocks[streams[k]].features);
    }
  }
  const auto outputs = scorer_->Run(
      {runtime::Upload(features, device), runtime::Upload(lengths, device), at::stack(stacked)});
  const auto streams_in_batch = static_cast<std::int64_t>(streams.size());
  std::vector<std::int64_t> cache_sizes{streams_in_batch};
  cache_sizes.insert(cache_sizes.end(), cache_shape_.begin(), cache_shape_.end());
  runtime::CheckOutputs(
      "scorer", outputs,
      {{"scores", at::kFloat, {streams_in_batch, features.size(1), runtime::kAnySize}},
       {"caches", at::kFloat, cache_sizes}});
  const at::Tensor scores = context.Download({outputs[0]}).front();
  for (std::size_t k = 0; k < streams.size(); ++k) {
    const auto row = static_cast<std::int64_t>(k);
    out.scores[streams[k]] = scores[row].narrow(0, 0, lengths[k]);
    out.caches[streams[k]] = outputs[1][row];
  }
  return out;
}

}  // namespace safeasr::asr
