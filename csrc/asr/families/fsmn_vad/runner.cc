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

// A request's part of a batch, worked out on a copy of its state.
struct VadRunner::Row {
  VadRequest* request;
  VadStreamState next;
  std::size_t taken;
  VadBlock block;
  std::vector<VadSegment> segments;
};

void VadRunner::Begin(VadRequest& request) const {
  VadRequest::Progress& progress = request.progress;
  if (progress.started) return;
  VadRequest::Progress fresh;
  fresh.state = request.stream->state;
  fresh.wave = std::move(fresh.state.held);
  fresh.state.held.clear();
  fresh.wave.insert(fresh.wave.end(), request.samples.begin(), request.samples.end());
  if (!fresh.state.cache.defined()) fresh.state.cache = model_->FreshCache();
  fresh.started = true;
  progress = std::move(fresh);
}

std::vector<std::shared_ptr<const core::Result>> VadRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  std::vector<Row> rows;
  std::vector<const VadBlock*> blocks;
  std::vector<at::Tensor> caches;
  rows.reserve(batch.size());
  for (core::Payload* payload : batch) {
    auto* request = static_cast<VadRequest*>(payload);
    Begin(*request);
    const VadRequest::Progress& progress = request->progress;
    rows.push_back({request, progress.state, progress.taken, {}, {}});
    Row& row = rows.back();
    row.block = model_->NextBlock(row.next.frontend, progress.wave, request->is_final,
                                  request->stream->detector.options().chunk_size, &row.taken);
    blocks.push_back(&row.block);
    caches.push_back(row.next.cache);
  }
  const VadScores scored = model_->Score(blocks, caches, device);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].next.cache = scored.caches[i];
    Decide(rows[i].request->stream->detector, rows[i].block, scored.scores[i],
           &rows[i].next.decision, &rows[i].segments);
  }

  // From here on the block counts: what a device could still refuse must be behind it.
  context.Finish();
  std::vector<std::shared_ptr<const core::Result>> results;
  for (Row& row : rows) {
    VadRequest& request = *row.request;
    VadRequest::Progress& progress = request.progress;
    progress.segments.insert(progress.segments.end(), row.segments.begin(), row.segments.end());
    progress.state = std::move(row.next);
    progress.taken = row.taken;
    const bool ended = !row.block.chunks.empty() && row.block.chunks.back().is_final;
    const std::size_t left = progress.wave.size() - progress.taken;
    const std::size_t chunk = model_->ChunkSamples(request.stream->detector.options().chunk_size);
    if (!ended && (request.is_final || left >= chunk)) {
      results.push_back(core::Runner::Unfinished());
      continue;
    }
    auto result = std::make_shared<VadResult>();
    result->segments = std::move(progress.segments);
    if (request.is_final) {
      request.stream->Restart();
    } else {
      progress.state.held.assign(
          progress.wave.begin() + static_cast<std::ptrdiff_t>(progress.taken), progress.wave.end());
      request.stream->state = std::move(progress.state);
    }
    results.push_back(std::move(result));
  }
  return results;
}

std::int64_t VadRunner::Cost(std::int64_t samples) const {
  constexpr std::int64_t kStepMs = 60;
  const std::int64_t step = model_->frontend().config().sample_rate * kStepMs / 1000;
  return std::max<std::int64_t>(1, samples / std::max<std::int64_t>(step, 1));
}

}  // namespace safeasr::asr
