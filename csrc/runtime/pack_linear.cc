#include "runtime/pack_linear.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace safeasr::runtime {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// The number of rows that the layout is chosen for: an utterance of some seconds, or a small batch.
// Measured: the choice hardly matters, and every layout works for every number of rows.
constexpr int64_t kTypicalRows = 128;

at::Tensor Reorder(const at::Tensor& weight) {
  static const auto reorder =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
          .typed<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>();
  return reorder.call(weight, c10::SymInt(kTypicalRows));
}

bool Available() {
  auto& dispatcher = c10::Dispatcher::singleton();
  return at::globalContext().hasMKLDNN() &&
         dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""}) &&
         dispatcher.findSchema({"mkldnn::_linear_pointwise", ""});
}

// Linear layers anywhere in the graph, also inside branches.
void Collect(Block* block, std::vector<Node*>* found) {
  for (Node* node : block->nodes()) {
    if (node->kind() == c10::aten::linear) found->push_back(node);
    for (Block* inner : node->blocks()) Collect(inner, found);
  }
}

class Packer {
 public:
  explicit Packer(Graph& graph) : graph_(graph) {}

  bool Rewrite(Node* linear) {
    const auto constant = torch::jit::toIValue(linear->input(1));
    if (!constant || !constant->isTensor()) return false;
    const at::Tensor weight = constant->toTensor();
    if (weight.dim() != 2 || weight.scalar_type() != at::kFloat || !weight.device().is_cpu()) {
      return false;
    }
    Node* last = FollowingRelu(linear);
    const char* fused = last == linear ? "none" : "relu";

    const torch::jit::WithInsertPoint guard(linear);
    Node* call = graph_.create(
        c10::Symbol::fromQualString("mkldnn::_linear_pointwise"),
        {linear->input(0), Packed(weight, linear->input(1)), linear->input(2),
         graph_.insertConstant(std::string(fused)),
         graph_
             .insertNode(graph_.createList(c10::OptionalType::create(c10::NumberType::get()), {}))
             ->output(),
         graph_.insertConstant(std::string())});
    graph_.insertNode(call);
    call->output()->setType(last->output()->type());
    last->output()->replaceAllUsesWith(call->output());
    return true;
  }

 private:
  // The ReLU behind the layer, if it is the only one who looks at the layer's output.
  static Node* FollowingRelu(Node* linear) {
    const auto& uses = linear->output()->uses();
    if (uses.size() != 1) return linear;
    Node* user = uses.front().user;
    return user->kind() == c10::aten::relu ? user : linear;
  }

  // A weight that several layers share is packed once. The constant is placed at the very start, so
  // that every block can see it.
  Value* Packed(const at::Tensor& weight, Value* plain) {
    const auto known = packed_.find(plain);
    if (known != packed_.end()) return known->second;
    Node* node = graph_.create(c10::Symbol::fromQualString("prim::ConstantMKLDNNTensor"));
    node->t_(c10::attr::value, Reorder(weight));
    graph_.block()->prependNode(node);
    return packed_[plain] = node->output();
  }

  Graph& graph_;
  std::map<Value*, Value*> packed_;
};

}  // namespace

int PackLinearLayers(const std::shared_ptr<Graph>& graph) {
  if (!Available()) return 0;
  std::vector<Node*> layers;
  Collect(graph->block(), &layers);
  Packer packer(*graph);
  int rewritten = 0;
  for (Node* layer : layers) rewritten += packer.Rewrite(layer);
  torch::jit::EliminateDeadCode(graph);
  return rewritten;
}

}  // namespace safeasr::runtime
