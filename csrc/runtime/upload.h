// From the host to a device without waiting for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safeasr::runtime {

// An uninitialised tensor on the CPU, in memory that the device can copy from and to by itself
// where there is such.
at::Tensor Staging(at::IntArrayRef shape, at::ScalarType type, at::Device device);

// The tensor on the device. The copy is queued, and the caller goes on; what is not in Staging
// memory goes through it. The memory may be let go of at once, because torch's caching allocator of
// pinned memory waits for the copies out of it before it gives it to somebody else.
at::Tensor Upload(const at::Tensor& host, at::Device device);

// Numbers (n) int64 to a tensor that is there, (n) int64.
void Upload(const std::vector<std::int64_t>& numbers, const at::Tensor& to);

// Numbers (n) int64 and (n) float32 on the device.
at::Tensor Upload(const std::vector<std::int64_t>& numbers, at::Device device);
at::Tensor Upload(const std::vector<float>& numbers, at::Device device);

// Many lists of numbers that go to the device in one copy.
class IndexLists {
 public:
  // Returns the list's number.
  std::size_t Add(const std::vector<std::int64_t>& list);

  // The lists on the device, int64, in the order of Add.
  std::vector<at::Tensor> Upload(at::Device device) const;

  // All lists, one behind the other, and a tensor of them taken apart.
  const std::vector<std::int64_t>& numbers() const { return numbers_; }
  std::vector<at::Tensor> Split(const at::Tensor& all) const;

 private:
  std::vector<std::int64_t> numbers_;
  std::vector<std::int64_t> sizes_;
};

}  // namespace safeasr::runtime
