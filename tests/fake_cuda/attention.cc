#include "attention.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <optional>
#include <vector>

namespace fake_cuda {
namespace {

// An operator's arguments by their names; None for those that it does not have.
class Arguments {
 public:
  Arguments(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    const auto& arguments = op.schema().arguments();
    const auto first = static_cast<std::ptrdiff_t>(stack->size() - arguments.size());
    values_.assign(stack->begin() + first, stack->end());
    torch::jit::drop(*stack, arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) places_[arguments[i].name()] = i;
  }

  c10::IValue Get(const char* name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? c10::IValue() : values_[found->second];
  }

  // The first of the names that has a tensor.
  std::optional<at::Tensor> Tensor(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const c10::IValue value = Get(name);
      if (value.isTensor() && value.toTensor().defined()) return value.toTensor();
    }
    return std::nullopt;
  }

 private:
  std::vector<c10::IValue> values_;
  std::map<std::string, std::size_t> places_;
};

// Rows (..., n, d), summed in float32, as kernels do.
at::Tensor Weighted(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    const std::optional<at::Tensor>& bias, double scale) {
  at::Tensor scores = at::matmul(query.to(at::kFloat), key.to(at::kFloat).transpose(-1, -2));
  scores = scores * scale;
  if (bias) scores = scores + bias->to(at::kFloat);
  return at::matmul(at::softmax(scores, -1), value.to(at::kFloat)).to(query.scalar_type());
}

}  // namespace

bool IsAttention(const std::string& name) {
  return name.find("_attention") != std::string::npos && name.find("backward") == std::string::npos;
}

void Attend(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const Arguments arguments(op, stack);
  const at::Tensor query = *arguments.Tensor({"query"}), key = *arguments.Tensor({"key"}),
                   value = *arguments.Tensor({"value"});
  const c10::IValue causal = arguments.Get("is_causal"), by = arguments.Get("scale");
  TORCH_CHECK(!causal.isBool() || !causal.toBool(), "the fake CUDA attends to all");
  const double scale =
      by.isNone() ? 1 / std::sqrt(static_cast<double>(query.size(-1))) : by.toDouble();
  const auto bias = arguments.Tensor({"attn_bias", "bias"});
  const auto query_starts = arguments.Tensor({"cum_seq_q", "cu_seqlens_q"});
  const auto key_starts = arguments.Tensor({"cum_seq_k", "cu_seqlens_k"});
  // The two that are named so take (batch, rows, heads, size), or packed ones (.., rows, heads,
  // size); all others (batch, heads, rows, size).
  const bool rows_first = op.operator_name().name.find("_attention_forward") != std::string::npos;
  const auto turned = [&](const at::Tensor& one) {
    return rows_first ? one.transpose(-3, -2) : one;
  };
  if (!query_starts || !key_starts) {
    stack->push_back(turned(Weighted(turned(query), turned(key), turned(value), bias, scale)));
    return;
  }
  TORCH_CHECK(!bias, "the fake CUDA attends to packed rows without a bias");
  const at::Tensor queries = query_starts->to(at::kLong), keys = key_starts->to(at::kLong);
  const at::Tensor out = at::zeros_like(query);
  for (std::int64_t i = 0; i + 1 < queries.numel(); ++i) {
    const auto part = [&](const at::Tensor& rows, const at::Tensor& starts) {
      const auto first = starts[i].item<std::int64_t>(), end = starts[i + 1].item<std::int64_t>();
      return turned(rows.slice(-3, first, end));
    };
    part(out, queries)
        .copy_(Weighted(part(query, queries), part(key, keys), part(value, keys), std::nullopt,
                        scale));
  }
  stack->push_back(out);
}

}  // namespace fake_cuda
