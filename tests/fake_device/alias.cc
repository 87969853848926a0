#include "alias.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/CPUAllocator.h>

#include "device_memory.h"
#include "world.h"

namespace fake {

at::Tensor Over(c10::Storage storage, const at::Tensor& like, c10::DispatchKey key) {
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(key), like.dtype());
  c10::TensorImpl* const impl = made.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  return made;
}

at::Tensor Alias(const at::Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  // Resizable: a kernel that needs more room gets it elsewhere, and the caller sees that.
  c10::Storage same(c10::Storage::use_byte_size_t(), storage.nbytes(),
                    c10::DataPtr(storage.mutable_data(), c10::Device(c10::DeviceType::CPU)),
                    c10::GetCPUAllocator(), /*resizable=*/true);
  return Over(std::move(same), tensor, c10::DispatchKey::CPU);
}

Block* BlockOf(const at::Tensor& tensor) {
  return DeviceMemory::BlockOf(tensor.storage().data_ptr());
}

void Use(const at::Tensor& tensor, int stream, std::uint64_t n, bool write,
         const std::string& what) {
  Block* const block = BlockOf(tensor);
  if (block == nullptr || tensor.numel() == 0) return;
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  const std::size_t item = tensor.itemsize();
  const std::size_t begin = static_cast<std::size_t>(tensor.storage_offset()) * item;
  World::Get().Use(*block, begin, begin + static_cast<std::size_t>(last + 1) * item, stream, n,
                   write, what);
}

}  // namespace fake
