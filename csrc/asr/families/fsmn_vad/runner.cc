#include "asr/families/fsmn_vad/runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "runtime/device_context.h"

namespace safeasr::asr {
namespace {

// Decides on a block that was scored; appends what is to be reported. scores: (rows, pdfs).
void Decide(const VadDetector& detector, const VadBlock& block, const at::Tensor& scores,
            VadState* state, std::vector<VadSegment>* segments) {
  VadFrames frames;
  frames.pdfs = scores.size(1);
  frames.scores = scores.data_ptr<float>();
  for (const VadChunk& chunk : block.chunks) {
    frames.count = chunk.rows;
    frames.decibels = chunk.decibels.data();
    const auto found = detector.Accept(*state, frames, chunk.is_final);
    segments->insert(segments->end(), found.begin(), found.end());
    frames.scores += frames.count * frames.pdfs;
  }
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> VadRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  std::vector<PieceOf<VadStream>> pieces;
  std::vector<VadBlock> blocks;
  std::vector<at::Tensor> caches;
  pieces.reserve(batch.size());
  for (core::Payload* payload : batch) {
    auto& request = *static_cast<VadRequest*>(payload);
    request.Begin([](VadStreamState&, std::size_t) {});
    pieces.emplace_back(request);
    PieceOf<VadStream>& piece = pieces.back();
    const double chunk_ms = request.stream->detector.options().chunk_size;
    blocks.push_back(model_->NextBlock(piece.next.frontend, request.wave, request.is_final,
                                       chunk_ms, &piece.taken));
    caches.push_back(piece.next.cache.defined() ? piece.next.cache : model_->FreshCache());
    const std::vector<VadChunk>& chunks = blocks.back().chunks;
    const bool ended = !chunks.empty() && chunks.back().is_final;
    const bool more =
        request.is_final || request.wave.size() - piece.taken >= model_->ChunkSamples(chunk_ms);
    piece.done = ended || !more;
  }
  const VadScores scored = model_->Score(blocks, caches, runtime::AsDeviceContext(context));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].next.cache = scored.caches[i];
    Decide(pieces[i].request->stream->detector, blocks[i], scored.scores[i],
           &pieces[i].next.decision, &pieces[i].found);
  }
  return CommitPieces(context, pieces);
}

std::int64_t VadRunner::Cost(std::int64_t samples) const {
  constexpr std::int64_t kStepMs = 60;
  const std::int64_t step = model_->frontend().config().sample_rate * kStepMs / 1000;
  return std::max<std::int64_t>(1, samples / std::max<std::int64_t>(step, 1));
}

}  // namespace safeasr::asr
