// Memory of devices, and pinned memory.
#include <sys/mman.h>

#include <cstring>

#include "control.h"
#include "world.h"

using fake_cuda::Call;
using fake_cuda::CurrentDevice;
using fake_cuda::Range;
using fake_cuda::World;

namespace {

constexpr std::size_t kPage = 4096;

std::size_t Pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// Between two pages that nobody may touch, and full of what nobody should take for a number.
cudaError_t Take(World& world, void** pointer, std::size_t bytes, int device) {
  void* const all = mmap(nullptr, Pages(bytes) + 2 * kPage, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return cudaErrorMemoryAllocation;
  *pointer = static_cast<char*>(all) + kPage;
  mprotect(*pointer, Pages(bytes), PROT_READ | PROT_WRITE);
  if (!fake_cuda::Idle()) std::memset(*pointer, 0xff, bytes);
  world.ranges[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, device};
  return cudaSuccess;
}

// Whoever still uses it meets a page that is not there.
cudaError_t GiveBack(World& world, void* pointer, bool pinned) {
  const auto found = world.ranges.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == world.ranges.end() || (found->second.device < 0) != pinned) {
    world.Complain("memory is given back that nobody has");
    return cudaErrorInvalidValue;
  }
  for (CUstream_st* stream : world.streams) stream->Drain();  // it waits for all that is queued
  if (!pinned) world.used[found->second.device] -= found->second.bytes;
  munmap(static_cast<char*>(pointer) - kPage, Pages(found->second.bytes) + 2 * kPage);
  world.ranges.erase(found);
  return cudaSuccess;
}

bool ShallFail(World& world) {
  if (world.fail_after < 0 || world.fail_after-- > 0) return false;
  world.fail_after = --world.fail_times > 0 ? 0 : -1;
  return true;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return Call([&](World& world) {
    if (const cudaError_t error = world.Unsafe("cudaMalloc")) return error;
    const int device = CurrentDevice();
    world.Count("allocations");
    if (ShallFail(world) || world.used[device] + bytes > world.limit[device]) {
      world.Count("allocations that failed");
      return cudaErrorMemoryAllocation;
    }
    world.used[device] += bytes;
    return Take(world, pointer, bytes, device);
  });
}

cudaError_t cudaFree(void* pointer) {
  return Call([&](World& world) {
    if (pointer == nullptr) return cudaSuccess;
    const cudaError_t error = world.Unsafe("cudaFree");
    return error == cudaSuccess ? GiveBack(world, pointer, /*pinned=*/false) : error;
  });
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned /*flags*/) {
  return Call([&](World& world) {
    world.Count("allocations of pinned memory");
    const cudaError_t error = world.Unsafe("cudaHostAlloc");
    return error == cudaSuccess ? Take(world, pointer, bytes, -1) : error;
  });
}

cudaError_t cudaFreeHost(void* pointer) {
  return Call([&](World& world) {
    const cudaError_t error = world.Unsafe("cudaFreeHost");
    return error == cudaSuccess ? GiveBack(world, pointer, /*pinned=*/true) : error;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return Call([&](World& world) {
    const int device = CurrentDevice();
    *total = world.limit[device];
    *free = *total - world.used[device];
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void* pointer) {
  return Call([&](World& world) {
    std::memset(found, 0, sizeof *found);
    found->type = cudaMemoryTypeUnregistered;
    found->device = CurrentDevice();
    if (const Range* const range = world.Find(pointer)) {
      found->type = range->device < 0 ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
      if (range->device >= 0) found->device = range->device;
    }
    found->devicePointer = found->hostPointer = const_cast<void*>(pointer);
    return cudaSuccess;
  });
}
}
