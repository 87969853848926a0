#include "alias.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>

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

namespace {

// Of more ranges a tensor counts as one, from its first byte to its last.
constexpr std::size_t kMostRanges = 1 << 14;

using Range = std::pair<std::int64_t, std::int64_t>;  // of elements of the storage

// Where the elements lie: of all rows of a dimension, or of some.
std::vector<Range> Ranges(const at::Tensor& tensor, std::int64_t dim,
                          const std::vector<std::int64_t>* rows) {
  const auto chosen = [&](std::int64_t d) { return rows != nullptr && d == dim; };
  // Neighbours in memory first, whatever their order in the tensor.
  std::vector<std::int64_t> dims;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    if (chosen(d) || (tensor.size(d) != 1 && tensor.stride(d) != 0)) dims.push_back(d);
  }
  std::sort(dims.begin(), dims.end(),
            [&](std::int64_t a, std::int64_t b) { return tensor.stride(a) < tensor.stride(b); });
  // What lies together without gaps.
  auto next = dims.begin();
  std::int64_t length = 1;
  while (next != dims.end() && !chosen(*next) && tensor.stride(*next) == length) {
    length *= tensor.size(*next++);
  }
  std::vector<Range> ranges{{tensor.storage_offset(), tensor.storage_offset() + length}};
  for (; next != dims.end(); ++next) {
    const std::int64_t d = *next;
    const bool some = chosen(d);
    const auto count = some ? static_cast<std::int64_t>(rows->size()) : tensor.size(d);
    std::vector<Range> more;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t shift =
          (some ? (*rows)[static_cast<std::size_t>(i)] : i) * tensor.stride(d);
      for (const Range& range : ranges) more.push_back({range.first + shift, range.second + shift});
    }
    std::sort(more.begin(), more.end());
    ranges.clear();
    for (const Range& range : more) {
      if (!ranges.empty() && range.first <= ranges.back().second) {
        ranges.back().second = std::max(ranges.back().second, range.second);
      } else {
        ranges.push_back(range);
      }
    }
    if (ranges.size() > kMostRanges) ranges = {{ranges.front().first, ranges.back().second}};
  }
  return ranges;
}

void UseRanges(const at::Tensor& tensor, const std::vector<Range>& ranges, int stream,
               std::uint64_t n, bool write, const std::string& what) {
  Block* const block = BlockOf(tensor);
  if (block == nullptr || tensor.numel() == 0 || ranges.empty()) return;
  const std::size_t item = tensor.itemsize();
  std::vector<ByteRange> bytes;
  bytes.reserve(ranges.size());
  for (const Range& range : ranges) {
    bytes.push_back({static_cast<std::size_t>(range.first) * item,
                     static_cast<std::size_t>(range.second) * item});
  }
  World::Get().Use(*block, {std::move(bytes), stream, n, write, what});
}

}  // namespace

void Use(const at::Tensor& tensor, int stream, std::uint64_t n, bool write,
         const std::string& what) {
  UseRanges(tensor, Ranges(tensor, 0, nullptr), stream, n, write, what);
}

void UseRows(const at::Tensor& tensor, std::int64_t dim, const std::vector<std::int64_t>& rows,
             int stream, std::uint64_t n, bool write, const std::string& what) {
  UseRanges(tensor, Ranges(tensor, dim, &rows), stream, n, write, what);
}

}  // namespace fake
