#include "runtime/insert_hooks.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "runtime/layer_hook.h"

namespace safeasr::runtime {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// The interpreter's own operator, not the dispatcher's: it costs a third, and tensors of any device
// may come. Conservative: nobody knows what it does, so nobody takes it out.
const torch::jit::RegisterOperators kOperator({torch::jit::Operator(
    "safeasr::between_layers(Tensor rows, int channels) -> ()",
    [](torch::jit::Stack& stack) {
      const std::int64_t channels = torch::jit::pop(stack).toInt();
      const at::Tensor rows = torch::jit::pop(stack).toTensor();
      BetweenLayers(rows, channels);
    },
    c10::AliasAnalysisKind::CONSERVATIVE)});

// Layers by name, and the dimension of their input that holds channels.
const std::unordered_map<std::string, std::int64_t>& Layers() {
  constexpr std::int64_t kLast = -1, kSecond = 1;
  static const std::unordered_map<std::string, std::int64_t> layers = {
      {"aten::linear", kLast},
      {"aten::matmul", kLast},
      {"aten::mm", kLast},
      {"aten::bmm", kLast},
      {"aten::lstm", kLast},
      {"aten::gru", kLast},
      {"mkldnn::_linear_pointwise", kLast},
      {"safeasr::int8_linear", kLast},
      {"safeasr::int8_linear_packed", kLast},
      {"aten::conv1d", kSecond},
      {"aten::conv2d", kSecond},
      {"aten::conv3d", kSecond},
      {"aten::conv_transpose1d", kSecond},
      {"aten::conv_transpose2d", kSecond},
      {"aten::convolution", kSecond},
      {"aten::_convolution", kSecond},
  };
  return layers;
}

class Inserter {
 public:
  explicit Inserter(Graph& graph) : graph_(graph) {}

  void VisitBlock(Block* block) {
    std::unordered_set<const Value*> hooked;  // in this block: a branch may not be taken
    for (Node* node : block->nodes()) {
      for (Block* inner : node->blocks()) VisitBlock(inner);
      const auto layer = Layers().find(node->kind().toQualString());
      if (layer == Layers().end()) continue;
      Value* rows = node->input(0);
      const bool follows_layer = Layers().count(rows->node()->kind().toQualString()) > 0;
      if (follows_layer || rows->type()->kind() != c10::TypeKind::TensorType) continue;
      if (hooked.insert(rows).second) InsertBefore(node, rows, layer->second);
    }
  }

  int inserted() const { return inserted_; }

 private:
  void InsertBefore(Node* layer, Value* rows, std::int64_t channels) {
    const torch::jit::WithInsertPoint guard(layer);
    static const auto kHook = c10::Symbol::fromQualString("safeasr::between_layers");
    graph_.insertNode(graph_.create(kHook, {rows, graph_.insertConstant(channels)}, /*outputs=*/0));
    ++inserted_;
  }

  Graph& graph_;
  int inserted_ = 0;
};

}  // namespace

int InsertLayerHooks(const std::shared_ptr<Graph>& graph) {
  Inserter inserter(*graph);
  inserter.VisitBlock(graph->block());
  return inserter.inserted();
}

}  // namespace safeasr::runtime
