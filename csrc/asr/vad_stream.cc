#include "asr/vad_stream.h"

#include <ATen/ATen.h>

#include <utility>

namespace safeasr::asr {

std::vector<VadSegment> Decide(const VadDetector& detector, VadState& state, const VadBlock& block,
                               const at::Tensor& scores) {
  std::vector<VadSegment> segments;
  VadFrames frames;
  frames.pdfs = scores.size(1);
  frames.scores = scores.data_ptr<float>();
  for (const VadChunk& chunk : block.chunks) {
    frames.count = chunk.rows;
    frames.decibels = chunk.decibels.data();
    const auto found = detector.Accept(state, frames, chunk.is_final);
    segments.insert(segments.end(), found.begin(), found.end());
    frames.scores += frames.count * frames.pdfs;
  }
  return segments;
}

VadStream::VadStream(std::shared_ptr<const VadModel> model, VadOptions options, at::Device device)
    : model_(std::move(model)), detector_(std::move(options)), device_(device), state_(Fresh()) {}

VadStreamState VadStream::Fresh() const {
  VadStreamState state;
  state.cache = model_->FreshCache();
  state.decision = detector_.Start();
  return state;
}

std::vector<VadSegment> VadStream::Accept(c10::ArrayRef<float> samples, bool is_final) {
  VadStreamState next = state_;
  next.held.insert(next.held.end(), samples.begin(), samples.end());
  std::vector<VadSegment> segments;
  std::size_t taken = 0;
  for (;;) {
    const VadBlock block = model_->NextBlock(next.frontend, next.held, is_final,
                                             detector_.options().chunk_size, &taken);
    if (block.chunks.empty()) break;
    const VadScores scored = model_->Score({&block}, {next.cache}, device_);
    next.cache = scored.caches.front();
    const auto found = Decide(detector_, next.decision, block, scored.scores.front());
    segments.insert(segments.end(), found.begin(), found.end());
    if (block.chunks.back().is_final) break;
  }
  next.held.erase(next.held.begin(), next.held.begin() + static_cast<std::ptrdiff_t>(taken));
  state_ = is_final ? Fresh() : std::move(next);
  return segments;
}

}  // namespace safeasr::asr
