#include "runtime/pack_linear.h"

#include <ATen/ATen.h>
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

at::Tensor PrepackInt8(const at::Tensor& weight) {
  static const auto prepack =
      c10::Dispatcher::singleton().findSchemaOrThrow("onednn::qlinear_prepack", "");
  torch::jit::Stack stack{c10::IValue(weight),
                          c10::IValue(std::vector<std::int64_t>{kTypicalRows, weight.size(1)})};
  prepack.callBoxed(&stack);
  return std::move(stack.front()).toTensor();
}

bool Available() {
  auto& dispatcher = c10::Dispatcher::singleton();
  return at::globalContext().hasMKLDNN() &&
         dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""}) &&
         dispatcher.findSchema({"mkldnn::_linear_pointwise", ""});
}

// Layers of a kind anywhere in the graph, also inside branches.
void Collect(Block* block, c10::Symbol kind, std::vector<Node*>* found) {
  for (Node* node : block->nodes()) {
    if (node->kind() == kind) found->push_back(node);
    for (Block* inner : node->blocks()) Collect(inner, kind, found);
  }
}

// The tensor that a value is known to be, or nothing.
std::optional<at::Tensor> ConstantTensor(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor()) return std::nullopt;
  return constant->toTensor();
}

// The only node that looks at a value, or null when there are several or it is an output.
Node* OnlyUser(const Value* value) {
  const auto& uses = value->uses();
  return uses.size() == 1 ? uses.front().user : nullptr;
}

bool IsPlainSum(const Node* node) {
  if (node->kind() != c10::aten::add || node->inputs().size() != 3) return false;
  const auto scale = torch::jit::toIValue(node->input(2));
  return scale && scale->isInt() && scale->toInt() == 1 &&
         node->input(0)->type()->kind() == c10::TypeKind::TensorType &&
         node->input(1)->type()->kind() == c10::TypeKind::TensorType;
}

class Packer {
 public:
  explicit Packer(Graph& graph) : graph_(graph) {}

  bool Rewrite(Node* linear) {
    const auto weight = ConstantTensor(linear->input(1));
    if (!weight || weight->dim() != 2 || !weight->device().is_cpu() ||
        (weight->scalar_type() != at::kFloat && weight->scalar_type() != at::kBFloat16)) {
      return false;
    }
    Value* packed = Packed(linear->input(1), [&] { return Reorder(*weight); });
    Node* user = OnlyUser(linear->output());
    const bool same_block = user != nullptr && user->owningBlock() == linear->owningBlock();
    if (same_block && IsPlainSum(user)) {
      RewriteSum(linear, packed, user);
    } else {
      RewriteAlone(linear, packed, same_block && user->kind() == c10::aten::relu ? user : linear);
    }
    return true;
  }

  // int8_linear: see asr/ops/int8_linear.h
  bool RewriteInt8(Node* linear) {
    const auto weight = ConstantTensor(linear->input(1));
    const auto scale = ConstantTensor(linear->input(2));
    if (!weight || !scale || !weight->device().is_cpu()) return false;
    Value* packed = Packed(linear->input(1), [&] { return PrepackInt8(*weight); });
    const torch::jit::WithInsertPoint guard(linear);
    Value* sums = graph_.insertConstant(weight->sum(1).to(at::kFloat) * *scale);
    Value* zeros = graph_.insertConstant(at::zeros({weight->size(0)}, at::kInt));
    Replace(linear, graph_.create(c10::Symbol::fromQualString("safeasr::int8_linear_packed"),
                                  {linear->input(0), packed, linear->input(2), sums, zeros,
                                   linear->input(3), linear->input(4)}));
    return true;
  }

 private:
  // linear, or linear and the ReLU behind it
  void RewriteAlone(Node* linear, Value* packed, Node* last) {
    const torch::jit::WithInsertPoint guard(linear);
    Value* no_scalars =
        graph_.insertNode(graph_.createList(c10::OptionalType::create(c10::NumberType::get()), {}))
            ->output();
    Replace(last, graph_.create(kPointwise,
                                {linear->input(0), packed, linear->input(2),
                                 Text(last == linear ? "none" : "relu"), no_scalars, Text("")}));
  }

  // linear, and the sum of its output with something else: a residual connection
  void RewriteSum(Node* linear, Value* packed, Node* sum) {
    Value* other = sum->input(0) == linear->output() ? sum->input(1) : sum->input(0);
    const torch::jit::WithInsertPoint guard(sum);  // where `other` is known
    Replace(sum, graph_.create(kPointwise,
                               {linear->input(0), other, packed, linear->input(2), Text("add")}));
  }

  void Replace(Node* last, Node* call) {
    graph_.insertNode(call);
    call->output()->setType(last->output()->type());
    last->output()->replaceAllUsesWith(call->output());
  }

  Value* Text(const char* text) { return graph_.insertConstant(std::string(text)); }

  // A weight that several layers share is packed once. The constant is placed at the very start, so
  // that every block can see it.
  template <class Pack>
  Value* Packed(Value* plain, Pack pack) {
    const auto known = packed_.find(plain);
    if (known != packed_.end()) return known->second;
    Node* node = graph_.create(c10::Symbol::fromQualString("prim::ConstantMKLDNNTensor"));
    node->t_(c10::attr::value, pack());
    graph_.block()->prependNode(node);
    return packed_[plain] = node->output();
  }

  // Two overloads share the name; arguments tell them apart.
  const c10::Symbol kPointwise = c10::Symbol::fromQualString("mkldnn::_linear_pointwise");
  Graph& graph_;
  std::map<Value*, Value*> packed_;
};

}  // namespace

int PackLinearLayers(const std::shared_ptr<Graph>& graph) {
  if (!Available()) return 0;
  std::vector<Node*> layers, int8_layers;
  Collect(graph->block(), c10::aten::linear, &layers);
  Collect(graph->block(), c10::Symbol::fromQualString("safeasr::int8_linear"), &int8_layers);
  Packer packer(*graph);
  int rewritten = 0;
  for (Node* layer : layers) rewritten += packer.Rewrite(layer);
  for (Node* layer : int8_layers) rewritten += packer.RewriteInt8(layer);
  torch::jit::EliminateDeadCode(graph);
  return rewritten;
}

}  // namespace safeasr::runtime
