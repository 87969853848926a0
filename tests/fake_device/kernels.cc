#include "kernels.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/WrapDimMinimal.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "alias.h"
#include "device_memory.h"
#include "graphs.h"
#include "world.h"

namespace fake {
namespace {

bool Writes(const c10::AliasInfo* info) {
  if (info == nullptr) return false;
  if (info->isWrite()) return true;
  for (const c10::AliasInfo& inner : info->containedTypes()) {
    if (inner.isWrite()) return true;
  }
  return false;
}

// A result that shares the memory of an argument it does not write: nothing runs on the device.
bool IsView(const c10::FunctionSchema& schema) {
  if (schema.returns().empty()) return false;
  const c10::AliasInfo* info = schema.returns()[0].alias_info();
  return info != nullptr && !Writes(info);
}

// On CUDA these move indices from the CPU by themselves.
bool TakesCpuIndices(const std::string& name) { return name.rfind("aten::index", 0) == 0; }

// index_select and index_copy, and how they are called: (tensor, dimension, rows, ...).
bool UsesRows(const std::string& name) {
  return name.rfind("aten::index_select", 0) == 0 || name.rfind("aten::index_copy", 0) == 0;
}

// One call of an operator.
class Call {
 public:
  Call(const c10::OperatorHandle& op, const c10::OperatorHandle& kernel, torch::jit::Stack* stack)
      : op_(op), kernel_(kernel), stack_(*stack), name_(op.operator_name().name) {}

  void Run() {
    const auto& arguments = op_.schema().arguments();
    const std::size_t first = stack_.size() - arguments.size();
    for (std::size_t i = 0; i < arguments.size(); ++i) FindDevice(stack_[first + i]);
    if (device_ < 0) device_ = CurrentDevice();
    const c10::DeviceGuard guard(
        c10::Device(c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(device_)));
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      writes_now_ = Writes(arguments[i].alias_info());
      stack_[first + i] = ToCpu(stack_[first + i]);
    }
    const bool view = IsView(op_.schema());
    stream_ = CurrentStream(device_);
    if (!view) Begin();
    {
      const c10::impl::ExcludeDispatchKeyGuard below(
          c10::autograd_dispatch_keyset_with_ADInplaceOrView);
      kernel_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack_);
    }
    for (Argument& argument : given_) {
      if (argument.write) WriteBack(argument);
    }
    const std::size_t results = op_.schema().returns().size();
    for (std::size_t i = stack_.size() - results; i < stack_.size(); ++i) {
      stack_[i] = ToDevice(stack_[i]);
    }
  }

 private:
  struct Argument {
    at::Tensor device, cpu;
    bool write;
  };

  void FindDevice(const at::Tensor& tensor) {
    if (!OnDevice(tensor)) return;
    TORCH_CHECK(device_ < 0 || device_ == tensor.device().index(), name_,
                ": tensors of fakegpu:", device_, " and ", tensor.device());
    device_ = tensor.device().index();
  }

  void FindDevice(const c10::IValue& value) {
    if (value.isTensor()) {
      FindDevice(value.toTensor());
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef()) FindDevice(element);
    } else if (value.isDevice() && value.toDevice().is_privateuseone() && device_ < 0 &&
               value.toDevice().has_index()) {
      device_ = value.toDevice().index();
    }
  }

  // A list of the same type, of whatever each element becomes.
  template <class Map>
  static c10::IValue Each(const c10::IValue& value, Map map) {
    c10::impl::GenericList mapped(value.toList().elementType());
    for (const c10::IValue& element : value.toListRef()) mapped.push_back(map(element));
    return mapped;
  }

  at::Tensor ToCpu(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!OnDevice(tensor)) {
      TORCH_CHECK(tensor.dim() == 0 || TakesCpuIndices(name_), name_, ": a tensor on ",
                  tensor.device(), " among those of fakegpu:", device_);
      return tensor;
    }
    given_.push_back({tensor, Alias(tensor), writes_now_});
    origins_.emplace(given_.back().cpu.storage().unsafeGetStorageImpl(), given_.size() - 1);
    return given_.back().cpu;
  }

  c10::IValue ToCpu(const c10::IValue& value) {
    if (value.isTensor()) return ToCpu(value.toTensor());
    if (value.isList()) {
      return Each(value, [this](const c10::IValue& element) { return ToCpu(element); });
    }
    if (value.isDevice()) return c10::Device(c10::DeviceType::CPU);
    return value;
  }

  // The stream's own order, and what others did to the same memory.
  void Begin() {
    World& world = World::Get();
    world.Drain(stream_);
    n_ = world.Tick(stream_);
    ++world.kernels[stream_];
    world.Count(device_, "kernels");
    FindRows();
    for (const Argument& argument : given_) {
      // Of the tensor itself, also where it is named once more as the place of the result.
      if (rows_ && argument.device.is_same(given_.front().device)) {
        fake::UseRows(argument.device, row_dim_, *rows_, stream_, n_, argument.write, name_);
      } else {
        fake::Use(argument.device, stream_, n_, argument.write, name_);
      }
    }
    // What has a size that depends on values: the host must know them.
    if (op_.hasTag(at::Tag::dynamic_output_shape) || op_.hasTag(at::Tag::data_dependent_output)) {
      Recording::Forbid(name_);
      world.Count(device_, "implicit_synchronisations");
      world.SynchroniseStream(stream_);
    }
  }

  // Which rows the operator looks at or changes, if not all: others may belong to somebody else.
  void FindRows() {
    if (!UsesRows(name_)) return;
    const bool changes = name_.rfind("aten::index_copy", 0) == 0;
    // Into a new tensor everything is copied.
    const bool in_place =
        std::count_if(given_.begin(), given_.end(), [this](const Argument& argument) {
          return argument.write && argument.device.is_same(given_.front().device);
        }) > 0;
    if (changes && !in_place) return;
    const std::size_t first = stack_.size() - op_.schema().arguments().size();
    const at::Tensor& self = given_.front().device;
    row_dim_ = c10::maybe_wrap_dim(stack_[first + 1].toInt(), self.dim());
    const at::Tensor index = stack_[first + 2].toTensor().contiguous();
    if (index.scalar_type() != at::kLong) return;
    const std::int64_t* rows = index.data_ptr<std::int64_t>();
    rows_.emplace(rows, rows + index.numel());
  }

  // A kernel may have given a result that it was handed other sizes, or other memory.
  void WriteBack(Argument& argument) {
    c10::TensorImpl* const impl = argument.device.unsafeGetTensorImpl();
    const c10::Storage& cpu = argument.cpu.storage();
    const c10::Storage& device = argument.device.storage();
    if (cpu.data() != device.data()) {
      device.set_data_ptr_noswap(OnTheDevice(cpu));
      device.set_nbytes(cpu.nbytes());
    }
    if (argument.cpu.sizes() != argument.device.sizes() ||
        argument.cpu.strides() != argument.device.strides()) {
      impl->set_sizes_and_strides(argument.cpu.sizes(), argument.cpu.strides(),
                                  argument.cpu.storage_offset());
    }
  }

  c10::DataPtr OnTheDevice(const c10::Storage& cpu) {
    c10::DataPtr data = DeviceMemory::Get().allocate(cpu.nbytes());
    if (Block* const block = DeviceMemory::BlockOf(data)) {
      World& world = World::Get();
      world.Drain(stream_);  // the memory may have been in use before
      n_ = world.Tick(stream_);
      world.Use(*block, {{{0, block->bytes}}, stream_, n_, true, name_});
      std::memcpy(block->data, cpu.data(), cpu.nbytes());
    }
    return data;
  }

  at::Tensor ToDevice(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    for (const Argument& argument : given_) {
      if (argument.cpu.is_same(tensor)) return argument.device;
    }
    c10::StorageImpl* const cpu = tensor.storage().unsafeGetStorageImpl();
    if (const auto origin = origins_.find(cpu); origin != origins_.end()) {
      const at::Tensor& viewed = given_[origin->second].device;
      at::Tensor view = at::detail::make_tensor<c10::TensorImpl>(
          c10::TensorImpl::VIEW, c10::Storage(viewed.storage()), viewed.key_set(), tensor.dtype());
      view.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                        tensor.storage_offset());
      return view;
    }
    auto& storage = made_[cpu];
    if (!storage) {
      storage = c10::Storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                             OnTheDevice(tensor.storage()), &DeviceMemory::Get(),
                             /*resizable=*/true);
    }
    return Over(storage, tensor, c10::DispatchKey::PrivateUse1);
  }

  c10::IValue ToDevice(const c10::IValue& value) {
    if (value.isTensor()) return ToDevice(value.toTensor());
    if (value.isList()) {
      return Each(value, [this](const c10::IValue& element) { return ToDevice(element); });
    }
    return value;
  }

  const c10::OperatorHandle& op_;
  const c10::OperatorHandle& kernel_;
  torch::jit::Stack& stack_;
  const std::string name_;
  int device_ = -1, stream_ = 0;
  std::uint64_t n_ = 0;
  bool writes_now_ = false;
  std::vector<Argument> given_;
  std::int64_t row_dim_ = 0;
  std::optional<std::vector<std::int64_t>> rows_;
  std::unordered_map<c10::StorageImpl*, std::size_t> origins_;  // of aliases -> which argument
  std::unordered_map<c10::StorageImpl*, c10::Storage> made_;    // of results -> the device's
};

// And again, if the thread records.
void RunAs(const c10::OperatorHandle& op, const c10::OperatorHandle& kernel,
           torch::jit::Stack* stack) {
  const World::Lock lock;
  World::CheckAlive();
  Recording* const recording = Recording::OfThisThread();
  if (recording == nullptr || IsView(op.schema())) {
    Call(op, kernel, stack).Run();
    return;
  }
  const auto arguments = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  const torch::jit::Stack given(stack->end() - arguments, stack->end());
  Call(op, kernel, stack).Run();
  const auto count = static_cast<std::ptrdiff_t>(op.schema().returns().size());
  recording->Add(
      [op, kernel, given] {
        torch::jit::Stack again = given;
        Call(op, kernel, &again).Run();
        return again;
      },
      torch::jit::Stack(stack->end() - count, stack->end()));
}

}  // namespace

void RunOnCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) { RunAs(op, op, stack); }

void RunConvolution(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  static const auto convolution =
      c10::Dispatcher::singleton().findSchemaOrThrow("aten::convolution", "");
  RunAs(op, convolution, stack);
}

}  // namespace fake
