#include "asr/families/paraformer_streaming/runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "asr/families/paraformer_streaming/step.h"
#include "asr/utterance.h"
#include "runtime/device_context.h"
#include "runtime/device_graph.h"
#include "runtime/device_ways.h"

namespace safeasr::asr {
namespace {

// FunASR's limit: what is left of a stream and shorter than this is not worth features of its own.
constexpr std::size_t kShortestTail = 960;

// Slots of the first slab: rings are megabytes each, the others are small.
constexpr std::int64_t kFirstRings = 32, kFirstRows = 128;

}  // namespace

StreamSlabs::StreamSlabs(const StreamingShapes& s, std::int64_t feature_size)
    : encoder(std::make_shared<SlabPool>(std::vector<std::int64_t>{s.encoder_layers, 2},
                                         s.encoder_size, s.cache_type, kFirstRings)),
      decoder(std::make_shared<SlabPool>(std::vector<std::int64_t>{s.decoder_layers, 2},
                                         s.encoder_size, s.cache_type, kFirstRings)),
      overlaps(std::make_shared<SlabPool>(std::vector<std::int64_t>{}, feature_size, at::kFloat,
                                          kFirstRows)),
      memories(std::make_shared<SlabPool>(std::vector<std::int64_t>{s.decoder_layers},
                                          s.encoder_size, at::kFloat, kFirstRows)) {}

bool ParaformerStreamRunner::UsesGraphs(const std::vector<Step>& steps, at::Device device) const {
  if (!graphs_ || !ByDeviceWays(device) || !runtime::DeviceGraph::Supported(device)) return false;
  const StreamingOptions& options = steps[0].options();
  return std::all_of(steps.begin(), steps.end(),
                     [&](const Step& step) { return step.options() == options; });
}

void ParaformerStreamRunner::Begin(StreamRequest& request) const {
  StreamRequest::Progress& progress = request.progress;
  if (progress.started) return;
  StreamRequest::Progress fresh;
  fresh.state = request.stream->state;
  fresh.wave = std::move(fresh.state.held);
  fresh.state.held.clear();
  fresh.wave.insert(fresh.wave.end(), request.samples.begin(), request.samples.end());
  const std::size_t whole = fresh.wave.size() / request.stream->options.StepSamples();
  fresh.steps_left = whole + (request.is_final ? 1 : 0);
  // A second step may write where the stream's own state still has rows.
  if (whole > 1) fresh.state.Detach();
  fresh.started = true;
  progress = std::move(fresh);
}

void ParaformerStreamRunner::TakePiece(Step& step) const {
  const StreamRequest::Progress& progress = step.request->progress;
  step.next = progress.state;
  step.is_final = step.request->is_final && progress.steps_left == 1;
  const std::size_t left = progress.wave.size() - progress.taken;
  const std::size_t size = std::min(left, step.options().StepSamples());
  step.taken = progress.taken + size;
  step.tail = step.is_final && size < kShortestTail;
  if (step.tail) {
    step.features = at::zeros({0, frontend_->FeatureSize()}, at::kFloat);
  } else {
    step.features = frontend_
                        ->Accept(step.next.frontend, {progress.wave.data() + progress.taken, size},
                                 step.is_final)
                        .values;
  }
  step.rows = step.overlap() + step.features.size(0);
}

std::vector<std::shared_ptr<const core::Result>> ParaformerStreamRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::StreamContext& stream = runtime::AsStreamContext(context);
  std::vector<Step> steps;
  for (core::Payload* payload : batch) {
    auto* request = static_cast<StreamRequest*>(payload);
    Begin(*request);
    if (request->progress.steps_left == 0) continue;
    Step step;
    step.request = request;
    TakePiece(step);
    steps.push_back(std::move(step));
  }
  if (!steps.empty()) Decode(steps, Encode(steps, stream), stream);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    transcripts.push_back(std::make_shared<Transcript>());
  }
  std::vector<std::shared_ptr<const core::Result>> results;
  results.reserve(batch.size());
  // From here on the step counts: what a device could still refuse must be behind it.
  context.Finish();
  for (Step& step : steps) {
    StreamRequest::Progress& progress = step.request->progress;
    progress.tokens.insert(progress.tokens.end(), step.ids.begin(), step.ids.end());
    progress.state = std::move(step.next);
    progress.taken = step.taken;
    --progress.steps_left;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto* request = static_cast<StreamRequest*>(batch[i]);
    StreamRequest::Progress& progress = request->progress;
    if (progress.steps_left > 0) {
      results.push_back(core::Runner::Unfinished());
      continue;
    }
    transcripts[i]->tokens = std::move(progress.tokens);
    if (request->is_final) {
      request->stream->state = ParaformerStreamState();
    } else {
      progress.state.held.assign(
          progress.wave.begin() + static_cast<std::ptrdiff_t>(progress.taken), progress.wave.end());
      request->stream->state = std::move(progress.state);
    }
    results.push_back(std::move(transcripts[i]));
  }
  return results;
}

}  // namespace safeasr::asr
