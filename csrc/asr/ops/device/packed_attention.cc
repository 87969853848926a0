#include "asr/ops/device/packed_attention.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

namespace safeasr::asr {
namespace {

using Names = std::map<std::string, c10::IValue>;

// What the operators call their arguments, in torch 2.11 to 2.14.
Names Known(const PackedRows& r, bool with_batch) {
  const auto shaped = [&](const at::Tensor& t) { return with_batch ? t.unsqueeze(0) : t; };
  return {{"query", shaped(r.q)},
          {"key", shaped(r.k)},
          {"value", shaped(r.v)},
          {"cum_seq_q", r.query_ends},
          {"cum_seq_k", r.key_ends},
          {"max_q", r.longest_query},
          {"max_k", r.longest_key},
          {"cu_seqlens_q", r.query_ends},
          {"cu_seqlens_k", r.key_ends},
          {"max_seqlen_q", r.longest_query},
          {"max_seqlen_k", r.longest_key},
          {"bias", c10::IValue()},
          {"dropout_p", 0.0},
          {"is_causal", false},
          {"return_debug_mask", false},
          {"custom_mask_type", std::int64_t{0}}};
}

// Which of the ways were tried, and what came of it.
class Trials {
 public:
  using Key = std::tuple<std::string, std::string, at::ScalarType, std::int64_t, std::int64_t>;

  template <class Try>
  bool Once(const Key& key, const Try& attempt) {
    // Held while it is tried: the others would only try the same.
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = results_.find(key);
    if (found != results_.end()) return found->second;
    return results_[key] = attempt();
  }

 private:
  std::mutex mutex_;
  std::map<Key, bool> results_;
};

double Tolerance(at::ScalarType type) {
  // Of numbers up to 1. float32 is held to float32: a product in fewer bits would not pass.
  if (type == at::kHalf) return 5e-3;
  return type == at::kBFloat16 ? 3e-2 : 1e-4;
}

// Streams of several lengths, one of them without rows; numbers between -1 and 1.
PackedRows Example(at::Device device, at::ScalarType type, std::int64_t heads, std::int64_t depth,
                   const std::vector<std::int64_t>& ends) {
  const std::int64_t rows = ends.back();
  const auto numbers = [&](double step) {
    return at::arange(rows * heads * depth, at::TensorOptions(at::kFloat).device(device))
        .mul_(step)
        .sin_()
        .to(type)
        .view({rows, heads, depth});
  };
  const at::Tensor offsets = at::tensor(ends, at::TensorOptions(at::kLong)).to(device).to(at::kInt);
  std::int64_t longest = 0;
  for (std::size_t i = 1; i < ends.size(); ++i) longest = std::max(longest, ends[i] - ends[i - 1]);
  return {numbers(0.37), numbers(0.73), numbers(1.91), offsets, offsets, longest, longest};
}

at::Tensor StreamByStream(const PackedRows& r, const std::vector<std::int64_t>& ends) {
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    const auto part = [&](const at::Tensor& t) {
      return t.narrow(0, ends[i], ends[i + 1] - ends[i]).to(at::kDouble).transpose(0, 1);
    };
    if (ends[i] == ends[i + 1]) continue;
    const at::Tensor q = part(r.q) / std::sqrt(static_cast<double>(r.q.size(2)));
    const at::Tensor weights = at::softmax(at::matmul(q, part(r.k).transpose(1, 2)), -1);
    parts.push_back(at::matmul(weights, part(r.v)).transpose(0, 1));
  }
  return at::cat(parts);
}

}  // namespace

at::Tensor AttendPacked(const PackedRows& rows, const std::string& name) {
  const auto op = c10::Dispatcher::singleton().findSchema({name, ""});
  TORCH_CHECK(op.has_value(), "this torch has no ", name);
  const std::vector<c10::Argument>& arguments = op->schema().arguments();
  const bool with_batch = std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) {
    return argument.name() == "cu_seqlens_q";
  });
  const Names known = Known(rows, with_batch);
  torch::jit::Stack stack;
  for (const c10::Argument& argument : arguments) {
    const auto found = known.find(argument.name());
    if (found != known.end()) {
      stack.push_back(found->second);
    } else {
      TORCH_CHECK(argument.default_value().has_value(), name, " wants ", argument.name(),
                  ", which is unknown here");
      stack.push_back(*argument.default_value());
    }
  }
  op->callBoxed(stack);
  const at::Tensor out = stack.front().toTensor();
  TORCH_CHECK(out.numel() == rows.q.numel(), name, " gave ", out.sizes(), " for ", rows.q.sizes());
  return out.reshape(rows.q.sizes());
}

std::string PackedWay(at::Device device, at::ScalarType type) {
  if (!device.is_cuda()) return "";
  if (type == at::kHalf || type == at::kBFloat16) return "aten::_flash_attention_forward";
  return type == at::kFloat ? "aten::_efficient_attention_forward" : "";
}

bool Agrees(const std::string& name, const std::function<at::Tensor()>& fast,
            const std::function<at::Tensor()>& sure, double tolerance) {
  try {
    const at::Tensor expected = sure().to(at::kDouble), found = fast().to(at::kDouble);
    const double error = (expected - found).abs().max().item<double>();
    if (error <= tolerance) return true;  // NaN is not
    TORCH_WARN(name, " is off by ", error, " where ", tolerance,
               " is allowed: attention goes by padding instead");
  } catch (const std::exception& e) {
    TORCH_WARN(name, " does not work here: attention goes by padding instead. ", e.what());
  }
  return false;
}

bool PackedWayIsGood(const std::string& name, at::Device device, at::ScalarType type,
                     std::int64_t heads, std::int64_t depth) {
  static Trials trials;
  return trials.Once({name, device.str(), type, heads, depth}, [&] {
    const std::vector<std::int64_t> ends{0, 3, 3, 20, 61, 62, 202};
    const PackedRows example = Example(device, type, heads, depth, ends);
    return Agrees(
        name, [&] { return AttendPacked(example, name); },
        [&] { return StreamByStream(example, ends); }, Tolerance(type));
  });
}

}  // namespace safeasr::asr
