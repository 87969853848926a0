// What torch finds: operators of the device, and what tests set and see (torch.ops.fakegpu).
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "alias.h"
#include "copies.h"
#include "device_memory.h"
#include "graphs.h"
#include "kernels.h"
#include "world.h"

namespace fake {
namespace {

const c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::Tensor Empty(c10::IntArrayRef sizes, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> /*layout*/, std::optional<at::Device> device,
                 std::optional<bool> /*pin*/, std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(sizes, &DeviceMemory::Get(), kKeys, c10::dtype_or_default(dtype),
                                   format);
}

at::Tensor EmptyStrided(c10::IntArrayRef sizes, c10::IntArrayRef strides,
                        std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                        std::optional<at::Device> device, std::optional<bool> /*pin*/) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(sizes, strides, &DeviceMemory::Get(), kKeys,
                                           c10::dtype_or_default(dtype));
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return CopyFrom(from, to, /*non_blocking=*/false);
}

at::Tensor& SetStorage(at::Tensor& self, at::Storage source, std::int64_t offset,
                       c10::IntArrayRef sizes, c10::IntArrayRef strides) {
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  if (strides.empty() && !sizes.empty()) {
    impl->set_storage_offset(offset);
    impl->set_sizes_contiguous(sizes);
  } else {
    impl->set_sizes_and_strides(sizes, strides, offset);
  }
  return self;
}

void RecordStream(at::Tensor& self, at::Stream stream) {
  DeviceMemory::Get().recordStream(self.storage().data_ptr(), stream);
}

DeviceMemory::Account& AccountOf(std::int64_t device) {
  return DeviceMemory::Get().accounts.at(static_cast<std::size_t>(device));
}

c10::Dict<std::string, std::int64_t> Counters(std::int64_t device) {
  const World::Lock lock;
  const DeviceMemory::Account& account = AccountOf(device);
  c10::Dict<std::string, std::int64_t> out;
  for (const auto& [what, count] : World::Get().counters[device]) out.insert(what, count);
  out.insert("live_bytes", account.live);
  out.insert("peak_bytes", account.peak);
  out.insert("allocations", account.allocations);
  return out;
}

std::vector<std::int64_t> Kernels(std::int64_t device) {
  const World::Lock lock;
  AccountOf(device);
  const std::int64_t* first = World::Get().kernels + StreamNumber(static_cast<int>(device), 0);
  return {first, first + kStreamsOfDevice};
}

std::vector<std::string> Races() {
  const World::Lock lock;
  return World::Get().races;
}

void ForgetRaces() {
  const World::Lock lock;
  World::Get().races.clear();
}

void Reset() {
  const World::Lock lock;
  World& world = World::Get();
  world.races.clear();
  std::fill(std::begin(world.kernels), std::end(world.kernels), 0);
  for (int device = 0; device < kDevices; ++device) {
    world.counters[device].clear();
    DeviceMemory::Account& account = AccountOf(device);
    const std::int64_t live = account.live;
    account = {};
    account.live = account.peak = live;
  }
}

void SetLimit(std::int64_t device, std::int64_t bytes) {
  const World::Lock lock;
  AccountOf(device).limit = bytes < 0 ? std::numeric_limits<std::int64_t>::max() : bytes;
}

void Break(std::int64_t devices) { World::SetBroken(static_cast<unsigned>(devices)); }

void SlowReplays(std::int64_t milliseconds) {
  Recording::Delay(std::chrono::milliseconds(milliseconds));
}

void FailAllocations(std::int64_t device, std::int64_t after, std::int64_t times) {
  const World::Lock lock;
  TORCH_CHECK(after >= 0 && times >= 1, "after: 0 or more, times: 1 or more");
  AccountOf(device).fail_after = after;
  AccountOf(device).fail_times = times;
}

}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnCpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("_copy_from", &CopyFrom);
  m.impl("_copy_from_and_resize", &CopyFromAndResize);
  m.impl("_local_scalar_dense", &ReadScalar);
  m.impl("set_.source_Storage_storage_offset", &SetStorage);
  m.impl("record_stream", &RecordStream);
  m.impl("convolution_overrideable", torch::CppFunction::makeFromBoxedFunction<&RunConvolution>());
}

TORCH_LIBRARY(fakegpu, m) {
  m.def("counters(int device) -> Dict(str, int)", &Counters);
  m.def("kernels(int device) -> int[]", &Kernels);
  m.def("races() -> str[]", &Races);
  m.def("forget_races() -> ()", &ForgetRaces);
  m.def("reset() -> ()", &Reset);
  m.def("set_limit(int device, int bytes) -> ()", &SetLimit);
  m.def("break_devices(int devices) -> ()", &Break);
  m.def("break_after(int calls) -> ()", &fake::World::BreakAfter);
  m.def("calls_left() -> int", &fake::World::CallsLeft);
  m.def("slow_replays(int milliseconds) -> ()", &SlowReplays);
  m.def("fail_allocations(int device, int after, int times) -> ()", &FailAllocations);
}

}  // namespace fake
