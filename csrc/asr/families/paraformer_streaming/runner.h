// Streaming Paraformer: one step of many streams at a time, whatever their ages and options.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "asr/families/paraformer_streaming/stream.h"
#include "asr/live/slab_pool.h"
#include "core/runner.h"
#include "runtime/device_context.h"
#include "runtime/program.h"
#include "runtime/step_graphs.h"

namespace safeasr::asr {

// Shapes that the programs were exported with.
struct StreamingShapes {
  std::int64_t encoder_layers = 0, encoder_size = 0;
  std::int64_t decoder_layers = 0, decoder_kernel = 0;
  std::int64_t cif_left = 1, cif_right = 1;  // rows that the predictor's convolution sees
  double tail_threshold = 0;
  double feature_scale = 1;                // factor on features before the first layer
  at::ScalarType cache_type = at::kFloat;  // of keys and values

  at::TensorOptions CacheOptions(at::Device device) const {
    return at::TensorOptions(cache_type).device(device);
  }
};

// Where devices keep what streams remember.
struct StreamSlabs {
  StreamSlabs(const StreamingShapes& shapes, std::int64_t feature_size);
  const std::shared_ptr<SlabPool> encoder, decoder;  // rings
  const std::shared_ptr<SlabPool> overlaps, memories;
};

struct EncodedSteps;
struct ProgramStep;
struct GraphRoom;
struct StreamStep;
class StepMemory;

class ParaformerStreamRunner : public core::Runner {
 public:
  // encoder, decoder: see python/safeasr/families/paraformer_streaming/family.py.
  ParaformerStreamRunner(std::shared_ptr<const OnlineFrontend> frontend,
                         std::shared_ptr<const runtime::Program> encoder,
                         std::shared_ptr<const runtime::Program> decoder, StreamingShapes shapes,
                         core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        shapes_(shapes),
        slabs_(shapes_, frontend_->FeatureSize()) {}

  // Payloads are ParaformerStreamRequests, results StreamTokens. One step of each; a request with
  // more steps left is Unfinished().
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const OnlineFrontend& frontend() const { return *frontend_; }

  // From now on steps are recorded and replayed, on devices that can (runtime/step_graphs.h).
  void UseGraphs() { graphs_ = true; }
  const runtime::GraphCounts& graph_counts() const { return graph_counts_; }

 private:
  // The samples of the request's next step, and their features.
  StreamStep TakeStep(PieceOf<ParaformerStream>& piece, bool last) const;
  // What the decoder needs of all steps; how many tokens each has is then there.
  EncodedSteps Encode(std::vector<StreamStep>& steps, const StepMemory& memory,
                      runtime::DeviceContext& context) const;
  // The steps' ids are then there.
  void Decode(std::vector<StreamStep>& steps, const EncodedSteps& encoded, const StepMemory& memory,
              runtime::DeviceContext& context) const;
  // The ids (tokens and padding), where they are, of steps that have tokens. all: they are the
  // whole batch. graphs: UsesGraphs().
  at::Tensor RunDecoder(const std::vector<StreamStep*>& steps, bool all, bool graphs,
                        const EncodedSteps& encoded, const StepMemory& memory,
                        runtime::DeviceContext& context) const;

  // Whether the step of these streams may be part of a graph.
  bool UsesGraphs(const std::vector<StreamStep>& steps, at::Device device) const;
  // Runs a program by launches, or by the graph of its shape where there is room for one. Returns
  // its outputs, then the tensors that it wrote.
  std::vector<at::Tensor> RunProgram(const ProgramStep& step, const std::optional<GraphRoom>& room,
                                     runtime::DeviceContext& context) const;

  const std::shared_ptr<const OnlineFrontend> frontend_;
  const std::shared_ptr<const runtime::Program> encoder_, decoder_;
  const StreamingShapes shapes_;
  std::atomic<bool> graphs_{false};
  const StreamSlabs slabs_;
  mutable runtime::GraphCounts graph_counts_;
};

}  // namespace safeasr::asr
