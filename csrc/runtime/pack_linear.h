// Graph pass: linear layers with constant weights become oneDNN calls on weights laid out for them.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace safeasr::runtime {

// Rewrites `aten::linear` with constant 2-D float32 or bfloat16 weights, and a ReLU or a residual
// sum that follows it and has no other user, into `mkldnn::_linear_pointwise`; and
// `safeasr::int8_linear` into `safeasr::int8_linear_packed`. The plain weights are dropped. Returns
// how many layers were rewritten; 0 when this build of torch has no oneDNN.
int PackLinearLayers(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace safeasr::runtime
