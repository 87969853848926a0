#include "asr/families/paraformer_streaming/runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "asr/families/paraformer_streaming/program_step.h"
#include "asr/families/paraformer_streaming/step.h"
#include "asr/families/paraformer_streaming/step_memory.h"
#include "runtime/device_context.h"
#include "runtime/device_graph.h"
#include "runtime/tensor_op_path.h"

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

bool ParaformerStreamRunner::UsesGraphs(const std::vector<StreamStep>& steps,
                                        at::Device device) const {
  if (!graphs_ || !runtime::TakesTensorOpPath(device) || !runtime::DeviceGraph::Supported(device))
    return false;
  const StreamingOptions& options = steps[0].options();
  return std::all_of(steps.begin(), steps.end(),
                     [&](const StreamStep& step) { return step.options() == options; });
}

std::vector<at::Tensor> ParaformerStreamRunner::RunProgram(const ProgramStep& step,
                                                           const std::optional<GraphRoom>& room,
                                                           runtime::DeviceContext& context) const {
  bool replayed = true;
  const auto launch = [&] {
    replayed = false;
    const std::vector<runtime::ProgramInput> inputs = step.plain();
    std::vector<at::Tensor> outputs = step.program.Run(inputs);
    step.check(outputs, nullptr);
    if (step.written >= 0) {
      const auto& written =
          std::get<std::vector<at::Tensor>>(inputs[static_cast<std::size_t>(step.written)]);
      outputs.insert(outputs.end(), written.begin(), written.end());
    }
    return outputs;
  };
  if (!room) return launch();
  const auto filled = [&] {
    return runtime::GraphStep{step.program, step.filled(*room), room->operators, step.rings,
                              step.written};
  };
  std::vector<at::Tensor> outputs =
      context.graphs().Run(room->KeyWith(step.program), launch, filled, context, graph_counts_);
  if (replayed) {
    const std::size_t written = step.written >= 0 ? 1 : 0;  // one tensor for all streams
    step.check({outputs.begin(), outputs.end() - static_cast<std::ptrdiff_t>(written)}, &*room);
  }
  return outputs;
}

StreamStep ParaformerStreamRunner::TakeStep(PieceOf<ParaformerStream>& piece, bool last) const {
  StreamStep step(piece);
  step.is_final = step.request.is_final && last;
  const std::size_t size = std::min(step.request.left(), step.options().StepSamples());
  step.tail = step.is_final && size < kShortestTail;
  if (step.tail) {
    step.features = at::zeros({0, frontend_->FeatureSize()}, at::kFloat);
  } else {
    const float* samples = step.request.wave.data() + piece.taken;
    step.features = frontend_->Accept(step.next.frontend, {samples, size}, step.is_final).values;
  }
  step.rows = step.overlap() + step.features.size(0);
  piece.taken += size;
  return step;
}

std::vector<std::shared_ptr<const core::Result>> ParaformerStreamRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  std::vector<PieceOf<ParaformerStream>> pieces;
  std::vector<StreamStep> steps;
  pieces.reserve(batch.size());  // steps refer to them
  for (core::Payload* payload : batch) {
    auto& request = *static_cast<ParaformerStreamRequest*>(payload);
    const std::size_t step_samples = request.stream->options.StepSamples();
    request.Begin([&](ParaformerStreamState& state, std::size_t samples) {
      // A second step may write where the stream's own state still has rows.
      if (samples / step_samples > 1) state.Detach();
    });
    pieces.emplace_back(request);
    // What is left at the end of a stream is a step too, even nothing.
    const std::size_t steps_left = request.left() / step_samples + (request.is_final ? 1 : 0);
    pieces.back().done = steps_left <= 1;
    if (steps_left > 0) steps.push_back(TakeStep(pieces.back(), steps_left == 1));
  }
  if (!steps.empty()) {
    const auto memory = StepMemory::For(stream, shapes_, slabs_, frontend_->FeatureSize());
    Decode(steps, Encode(steps, *memory, stream), *memory, stream);
  }
  return CommitPieces(context, pieces);
}

}  // namespace safeasr::asr
