// What kernels would have computed.
//
// Each operator of torch with a kernel for CUDA runs that kernel, whose launches do nothing, for
// its checks, its allocations and the shapes of its results. Then the CPU's kernel computes the
// results where the device has them: at once or, on a stream that records, in the graph.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "attention.h"
#include "control.h"
#include "idle.h"
#include "operator_names.h"
#include "values.h"

namespace fake_cuda {
namespace {

using torch::jit::Stack;
using Kernel = std::shared_ptr<c10::SafeKernelFunction>;

std::unordered_map<c10::OperatorName, Kernel>& RealKernels() {
  static auto* const kernels = new std::unordered_map<c10::OperatorName, Kernel>;
  return *kernels;
}

// One kernel computes at a time: what is put back after the real one may have rows of others.
std::recursive_mutex& Computing() {
  static auto* const mutex = new std::recursive_mutex;
  return *mutex;
}

// Inside a real kernel, where operators that it calls have nothing to compute.
thread_local bool inside = false;

class Inside {
 public:
  Inside() {
    inside = true;
    BeQuiet(true);
  }
  ~Inside() {
    inside = false;
    BeQuiet(false);
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

// The CPU's kernel, of arguments on the CPU.
void Compute(const c10::OperatorHandle& op, Stack* stack) {
  if (IsAttention(op.operator_name().name)) {
    Attend(op, stack);
  } else {
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
}

// What is computed, into the device's memory where it is not there already.
void Put(const Stack& computed, const Stack& device, const std::string& name) {
  std::vector<at::Tensor> from, to;
  for (const auto& value : computed) {
    EachTensor(value, [&](const at::Tensor& one) { from.push_back(one); });
  }
  for (const auto& value : device) {
    EachTensor(value, [&](const at::Tensor& one) { to.push_back(one); });
  }
  for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i) {
    TORCH_CHECK(from[i].sizes() == to[i].sizes(), name, " gives ", to[i].sizes(),
                " where the CPU gives ", from[i].sizes());
    if (from[i].data_ptr() != to[i].data_ptr()) to[i].copy_(from[i]);
  }
}

// Now, or whenever what the stream records is replayed.
void RunOn(void* stream, bool records, const std::function<void()>& compute) {
  const auto work = [compute] {
    const std::lock_guard<std::recursive_mutex> one_at_a_time(Computing());
    const c10::InferenceMode inference_mode;
    const c10::impl::ExcludeDispatchKeyGuard below(
        c10::autograd_dispatch_keyset_with_ADInplaceOrView);
    compute();
  };
  if (records) {
    Record(stream, work);
  } else {
    work();
  }
}

class OperatorCall {
 public:
  OperatorCall(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack)
      : op_(op), keys_(keys), stack_(*stack), name_(op.operator_name().name) {
    const auto count = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
    given_.assign(stack_.end() - count, stack_.end());
    for (const c10::IValue& value : given_) {
      EachTensor(value, [this](const at::Tensor& one) {
        if (one.is_cuda() && device_ < 0) device_ = one.get_device();
      });
      const bool named = value.isDevice() && value.toDevice().is_cuda();
      if (named && value.toDevice().has_index() && device_ < 0) device_ = value.toDevice().index();
    }
    if (device_ < 0) device_ = c10::cuda::current_device();
  }

  void Run() {
    // A conversion between host and device comes back as operators on either side.
    if (inside || (name_ == "aten::copy_" && BetweenHostAndDevice())) {
      if (Idle() && name_ == "aten::copy_" && given_[0].toTensor().is_cpu()) {
        MakeUp(given_[0].toTensor());
      }
      RunReal();
      return;
    }
    if (Idle()) {
      RunIdle();
      return;
    }
    const std::lock_guard<std::recursive_mutex> one_at_a_time(Computing());
    const c10::DeviceGuard guard(
        c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device_)));
    stream_ = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device_)).stream();
    records_ = Begin(stream_);
    if (name_ == kCudnnAttention) {
      RunCudnnAttention();
    } else if (kCpuAlone.count(name_) > 0) {
      RunCpuAlone();
    } else {
      RunBoth();
    }
  }

 private:
  bool BetweenHostAndDevice() const {
    return given_[0].toTensor().is_cpu() || given_[1].toTensor().is_cpu();
  }

  void RunReal() { RealKernels().at(op_.operator_name())->callBoxed(op_, keys_, &stack_); }

  Stack CpuArguments() const {
    Stack cpu;
    for (const c10::IValue& value : given_) cpu.push_back(ToCpu(value));
    return cpu;
  }

  // Computes into what stands last on the stack, so many results.
  void ComputeInto(std::size_t results) {
    if (Idle()) return;
    Stack device;
    for (std::size_t i = stack_.size() - results; i < stack_.size(); ++i) {
      device.push_back(ToCpu(stack_[i]));
      if (OnlyFirstResult(name_)) break;
    }
    RunOn(stream_, records_, [op = op_, name = name_, cpu = CpuArguments(), device] {
      Stack computed = cpu;
      Compute(op, &computed);
      Put(computed, device, name);
    });
  }

  void RunIdle() {
    if (name_ == kCudnnAttention) {
      RunCudnnAttention();
    } else if (name_ == "aten::convolution") {
      torch::jit::drop(stack_, given_.size());
      stack_.emplace_back(LikeConvolved(given_));
    } else if (name_ == "aten::_fft_r2c") {
      torch::jit::drop(stack_, given_.size());
      stack_.emplace_back(LikeTransformed(given_));
    } else if (kCpuAlone.count(name_) > 0) {
      RunCpuAlone();
    } else {
      const Inside real_kernel;
      RunReal();
    }
  }

  void RunBoth() {
    // The real one may have copied into what it writes, as one of several steps.
    std::vector<std::pair<at::Tensor, at::Tensor>> before;
    for (std::size_t i = 0; i < given_.size() && !records_; ++i) {
      if (!IsWritten(op_.schema().arguments()[i])) continue;
      EachTensor(given_[i], [&](const at::Tensor& one) {
        if (one.is_cuda() && one.numel() > 0) before.emplace_back(one, Alias(one).clone());
      });
    }
    {
      const Inside real_kernel;
      RunReal();
    }
    for (const auto& [tensor, content] : before) {
      if (tensor.sizes() == content.sizes()) Alias(tensor).copy_(content);
    }
    ComputeInto(op_.schema().returns().size());
  }

  // Its first result is like the queries, the others are for training.
  void RunCudnnAttention() {
    torch::jit::drop(stack_, given_.size());
    const auto& returns = op_.schema().returns();
    stack_.emplace_back(at::empty_like(given_[0].toTensor()));
    for (std::size_t i = 1; i < returns.size(); ++i) {
      const bool tensor = returns[i].type()->kind() == c10::TypeKind::TensorType;
      stack_.push_back(tensor ? c10::IValue(at::Tensor()) : c10::IValue(0));
    }
    ComputeInto(returns.size());
  }

  // The CPU's results say what is wanted on the device.
  void RunCpuAlone() {
    TORCH_CHECK(!records_ || name_ == "aten::convolution", name_, " on a stream that records");
    Stack computed = CpuArguments();
    RunOn(stream_, /*records=*/false, [&] { Compute(op_, &computed); });
    torch::jit::drop(stack_, given_.size());
    for (const c10::IValue& value : computed) {
      if (!value.isTensor() || !value.toTensor().defined()) {
        stack_.push_back(value);
        continue;
      }
      const at::Tensor& one = value.toTensor();
      stack_.emplace_back(at::empty_strided(
          one.sizes(), one.strides(),
          one.options().device(at::kCUDA, static_cast<c10::DeviceIndex>(device_))));
      if (!records_) Alias(stack_.back().toTensor()).copy_(one);
    }
    if (records_) ComputeInto(computed.size());
  }

  const c10::OperatorHandle& op_;
  const c10::DispatchKeySet keys_;
  Stack& stack_;
  const std::string name_;
  Stack given_;
  int device_ = -1;
  void* stream_ = nullptr;
  bool records_ = false;
};

void Run(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack) {
  OperatorCall(op, keys, stack).Run();
}

bool Concerned(const c10::OperatorHandle& op) {
  const std::string& name = op.operator_name().name;
  // For every device one kernel, which asks for that of the device itself.
  if (name == "aten::copy_") return true;
  if (name == "aten::convolution") return op.operator_name().overload_name.empty();
  if (name.rfind("aten::", 0) != 0 || kOwn.count(name) > 0 || GivesView(op.schema())) return false;
  if (!op.hasKernelForDispatchKey(c10::DispatchKey::CUDA)) return false;
  return IsAttention(name) || op.hasKernelForDispatchKey(c10::DispatchKey::CPU);
}

const bool installed = [] {
  static torch::Library library(torch::Library::IMPL, "aten", c10::DispatchKey::CUDA, __FILE__,
                                __LINE__);
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findOp(name);
    if (!op || !op->hasSchema() || !Concerned(*op)) continue;
    if (name.name != "aten::convolution") {
      RealKernels()[name] = std::make_shared<c10::SafeKernelFunction>(
          op->getComputedKernelForDispatchKey(c10::DispatchKey::CUDA));
    }
    library.impl(toString(name).substr(6).c_str(),
                 torch::CppFunction::makeFromBoxedFunction<&Run>());
  }
  return true;
}();

}  // namespace
}  // namespace fake_cuda
