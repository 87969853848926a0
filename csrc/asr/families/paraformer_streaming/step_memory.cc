#include "asr/families/paraformer_streaming/step_memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "runtime/tensor_op_path.h"

namespace safeasr::asr {

std::unique_ptr<StepMemory> StepMemory::For(runtime::DeviceContext& context,
                                            const StreamingShapes& shapes, const StreamSlabs& slabs,
                                            std::int64_t feature_size) {
  if (runtime::TakesTensorOpPath(context.device())) {
    return std::make_unique<SlabMemory>(context, shapes, feature_size, slabs);
  }
  return std::make_unique<HostMemory>(context, shapes, feature_size);
}

std::vector<CifChunk> StepMemory::Chunks(const std::vector<StreamStep>& steps,
                                         const at::Tensor& weights, const float* hidden,
                                         std::int64_t size) const {
  std::vector<CifChunk> chunks;
  for (const StreamStep& step : steps) {
    const StreamingOptions& options = step.options();
    float* alpha = weights.data_ptr<float>() + step.first_row;
    if (!std::all_of(alpha, alpha + step.rows, [](float a) { return std::isfinite(a); })) {
      // Carried on, it would spoil the rest of the stream. Alone, the culprit fails.
      throw std::runtime_error("the network's weights of frames are not finite numbers");
    }
    std::fill_n(alpha, std::min(options.left, step.rows), 0.0f);
    if (!step.is_final) {
      for (std::int64_t t = options.left + options.chunk; t < step.rows; ++t) alpha[t] = 0;
    }
    chunks.push_back({hidden == nullptr ? nullptr : hidden + step.first_row * size, alpha,
                      step.rows, size, step.is_final, static_cast<float>(shapes_.tail_threshold)});
  }
  return chunks;
}

}  // namespace safeasr::asr
