#include "asr/vad_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "asr/vad_stream.h"
#include "runtime/stream_context.h"

namespace safeasr::asr {
namespace {

// A request on its way through the batch.
struct Row {
  const VadRequest* request;
  VadStreamState state;
  std::size_t next = 0;  // sample
  std::shared_ptr<VadResult> result = std::make_shared<VadResult>();
};

}  // namespace

std::vector<std::shared_ptr<const core::Result>> VadRunner::Run(
    core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  std::vector<Row> rows;
  std::vector<std::shared_ptr<const core::Result>> results;
  for (const core::Payload* payload : batch) {
    Row row;
    row.request = static_cast<const VadRequest*>(payload);
    row.state.cache = model_->FreshCache();
    row.state.decision = row.request->detector.Start();
    results.push_back(row.result);
    rows.push_back(std::move(row));
  }

  // Long recordings go in several rounds; in each the rows that are left form a batch.
  std::vector<Row*> left;
  for (Row& row : rows) left.push_back(&row);
  while (!left.empty()) {
    std::vector<Row*> active;
    std::vector<VadBlock> blocks;
    std::vector<at::Tensor> caches;
    for (Row* row : left) {
      const VadRequest& request = *row->request;
      VadBlock block = model_->NextBlock(row->state.frontend, request.samples, request.is_final,
                                         request.detector.options().chunk_size, &row->next);
      if (block.chunks.empty()) continue;
      active.push_back(row);
      blocks.push_back(std::move(block));
      caches.push_back(row->state.cache);
    }
    std::vector<const VadBlock*> pointers;
    for (const VadBlock& block : blocks) pointers.push_back(&block);
    const VadScores scored = model_->Score(pointers, caches, device);

    left.clear();
    for (std::size_t i = 0; i < active.size(); ++i) {
      Row& row = *active[i];
      row.state.cache = scored.caches[i];
      const auto found =
          Decide(row.request->detector, row.state.decision, blocks[i], scored.scores[i]);
      row.result->segments.insert(row.result->segments.end(), found.begin(), found.end());
      if (!blocks[i].chunks.back().is_final) left.push_back(active[i]);
    }
  }
  return results;
}

std::int64_t VadRunner::Cost(std::int64_t samples) const {
  constexpr std::int64_t kStepMs = 60;
  const std::int64_t step = model_->frontend().config().sample_rate * kStepMs / 1000;
  return std::max<std::int64_t>(1, samples / std::max<std::int64_t>(step, 1));
}

}  // namespace safeasr::asr
