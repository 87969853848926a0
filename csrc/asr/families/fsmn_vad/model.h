// What of voice activity detection does not depend on options: samples to features, features to
// scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/features/online_frontend.h"
#include "runtime/device_context.h"
#include "runtime/program.h"

namespace safeasr::asr {

// What is taken from a stream at a time: FunASR's chunks.
struct VadChunk {
  std::int64_t rows = 0;        // of the features
  std::vector<float> decibels;  // (rows)
  bool is_final = false;
};

// Consecutive chunks of one stream that are scored in one go.
struct VadBlock {
  at::Tensor features;  // (sum of rows, feature size) float32 on the CPU
  std::vector<VadChunk> chunks;
};

struct VadScores {
  std::vector<at::Tensor> scores;  // for each stream (rows, pdfs) float32 on the CPU, contiguous
  std::vector<at::Tensor> caches;  // for each stream what it needs next time
};

// Immutable: one object serves any number of streams in any number of threads.
class VadModel {
 public:
  // scorer: (features (B, T, F), lengths (B) int64, caches (B, ...)) -> (scores (B, T, pdfs),
  // caches (B, ...)); it sees no frames to come, so how a stream is cut changes no score.
  // cache_shape: of the cache of one stream, without B; a fresh one is zeros.
  VadModel(std::shared_ptr<const OnlineFrontend> frontend,
           std::shared_ptr<const runtime::Program> scorer, std::vector<std::int64_t> cache_shape);

  const OnlineFrontend& frontend() const { return *frontend_; }
  at::Tensor FreshCache() const;
  // Samples of a chunk of that many ms.
  std::size_t ChunkSamples(double chunk_ms) const;

  // The next chunks of `samples` from number `*next` on, which is moved past them: until about a
  // minute is there or no whole chunk is left. is_final: the stream ends with `samples`; the last
  // chunk is then what remains, even nothing, and has is_final. No chunks: nothing is left.
  // chunk_ms: length of a chunk. Throws std::invalid_argument for samples that are not finite;
  // `state` and `*next` may then have moved.
  VadBlock NextBlock(OnlineFrontendState& state, c10::ArrayRef<float> samples, bool is_final,
                     double chunk_ms, std::size_t* next) const;

  // Scores the blocks of several streams in one batch. Streams without rows keep their cache.
  VadScores Score(const std::vector<VadBlock>& blocks, const std::vector<at::Tensor>& caches,
                  runtime::DeviceContext& context) const;

 private:
  const std::shared_ptr<const OnlineFrontend> frontend_;
  const std::shared_ptr<const runtime::Program> scorer_;
  const std::vector<std::int64_t> cache_shape_;
};

}  // namespace safeasr::asr
