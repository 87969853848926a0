#include "runtime/upload.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstring>

namespace safeasr::runtime {
namespace {

// Only these are known to have an allocator of pinned memory that minds pending copies.
bool CopiesFromPinned(at::Device device) {
  return device.is_cuda() || device.is_xpu() || device.is_privateuseone();
}

// torch's own way to give pinned memory back, of the one kind of device that has any here.
std::atomic<c10::DeleterFnPtr> give_back{nullptr};

void GiveBackOrLose(void* memory) {
  try {
    give_back.load()(memory);
  } catch (...) {  // the device is out of order
  }
}

// When a device is out of order, giving pinned memory back throws, and it is done by destructors,
// which may not: the process would end. So it is lost instead, and callers get their errors.
void LoseWithTheDevice(const at::Tensor& pinned) {
  const c10::Storage& storage = pinned.storage();
  c10::DeleterFnPtr expected = nullptr;
  const c10::DeleterFnPtr own = storage.data_ptr().get_deleter();
  if (own == nullptr) return;  // of no bytes, perhaps: there is nothing to give back
  if (!give_back.compare_exchange_strong(expected, own) && expected != own) return;
  c10::DataPtr memory = storage.set_data_ptr(c10::DataPtr());
  void* const data = memory.get();
  const c10::Device device = memory.device();
  // With the same context: by it torch knows which copies use the memory.
  storage.set_data_ptr_noswap(
      c10::DataPtr(data, memory.release_context(), &GiveBackOrLose, device));
}

template <class T>
at::Tensor Staged(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  const at::Tensor host = Staging({static_cast<std::int64_t>(values.size())}, type, device);
  if (!values.empty()) std::memcpy(host.data_ptr(), values.data(), values.size() * sizeof(T));
  return host;
}

}  // namespace

at::Tensor Staging(at::IntArrayRef shape, at::ScalarType type, at::Device device) {
  const bool pinned = CopiesFromPinned(device);
  at::Tensor host = at::empty(shape, at::TensorOptions(type).pinned_memory(pinned));
  if (pinned) LoseWithTheDevice(host);
  return host;
}

at::Tensor Upload(const at::Tensor& host, at::Device device) {
  if (device.is_cpu() || !host.is_cpu()) return host.to(device);
  if (!CopiesFromPinned(device)) return host.to(device);
  at::Tensor dense = host.contiguous();
  if (!dense.is_pinned()) dense = Staging(dense.sizes(), dense.scalar_type(), device).copy_(dense);
  return dense.to(device, /*non_blocking=*/true);
}

void Upload(const std::vector<std::int64_t>& numbers, const at::Tensor& to) {
  to.copy_(Staged(numbers, at::kLong, to.device()), /*non_blocking=*/true);
}

at::Tensor Upload(const std::vector<std::int64_t>& numbers, at::Device device) {
  return Upload(Staged(numbers, at::kLong, device), device);
}

at::Tensor Upload(const std::vector<float>& numbers, at::Device device) {
  return Upload(Staged(numbers, at::kFloat, device), device);
}

std::size_t IndexLists::Add(const std::vector<std::int64_t>& list) {
  numbers_.insert(numbers_.end(), list.begin(), list.end());
  sizes_.push_back(static_cast<std::int64_t>(list.size()));
  return sizes_.size() - 1;
}

std::vector<at::Tensor> IndexLists::Upload(at::Device device) const {
  return Split(runtime::Upload(numbers_, device));
}

std::vector<at::Tensor> IndexLists::Split(const at::Tensor& all) const {
  std::vector<at::Tensor> lists;
  std::int64_t first = 0;
  for (const std::int64_t size : sizes_) {
    lists.push_back(all.narrow(0, first, size));
    first += size;
  }
  return lists;
}

}  // namespace safeasr::runtime
