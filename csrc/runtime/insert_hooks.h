// Graph pass: calls of BetweenLayers (layer_hook.h) in front of the layers of a network.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace safeasr::runtime {

// Inserts `safeasr::between_layers` in front of matrix products, convolutions and recurrent layers,
// also inside branches and loops; one for all layers that read the same rows, and none between two
// of which one reads what the other wrote. The last pass: it keeps others from moving layers.
// Returns how many it inserted.
int InsertLayerHooks(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace safeasr::runtime
