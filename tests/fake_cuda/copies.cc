// Copies. Between a device and pinned memory they come late: when somebody waits, or when their
// stream does something else. Of pageable memory CUDA takes a copy of its own first.
#include <cstring>
#include <string>

#include "control.h"
#include "world.h"

using fake_cuda::Call;
using fake_cuda::Quiet;
using fake_cuda::Range;
using fake_cuda::StreamOf;
using fake_cuda::Work;
using fake_cuda::World;

namespace {

bool Fits(World& world, const void* pointer, std::size_t bytes) {
  std::uintptr_t first = 0;
  const Range* const range = world.Find(pointer, &first);
  return range == nullptr ||
         reinterpret_cast<std::uintptr_t>(pointer) + bytes <= first + range->bytes;
}

cudaError_t Copy(World& world, void* to, const void* from, std::size_t bytes, cudaStream_t given) {
  if (bytes == 0) return cudaSuccess;
  CUstream_st* const stream = StreamOf(given);
  const Range* const source = world.Find(from);
  const Range* const target = world.Find(to);
  if (!Fits(world, from, bytes) || !Fits(world, to, bytes)) {
    world.Complain("a copy from or to beyond its memory");
    return cudaErrorInvalidValue;
  }
  const bool from_device = source != nullptr && source->device >= 0;
  const bool to_device = target != nullptr && target->device >= 0;
  const bool pageable = source == nullptr || target == nullptr;
  if (from_device && to_device && Quiet()) return cudaSuccess;
  world.Count(std::string("copies ") + (from_device ? "device" : "host") + " to " +
              (to_device ? "device" : "host") + (pageable ? ", pageable" : ""));
  Work copy = [to, from, bytes] { std::memcpy(to, from, bytes); };
  if (fake_cuda::Idle() && !to_device) copy = [] {};  // operators.cc has made something up
  if (stream->capture) {
    if (pageable) {
      stream->capture->invalid = true;
      world.Complain("a copy of pageable memory is recorded");
      return cudaErrorStreamCaptureUnsupported;
    }
    stream->capture->work.push_back(copy);
    return cudaSuccess;
  }
  stream->Enqueue(copy);
  if (pageable || (from_device && to_device)) stream->Drain();
  return cudaSuccess;
}

cudaError_t Set(World& world, void* data, int value, std::size_t bytes, cudaStream_t given) {
  CUstream_st* const stream = StreamOf(given);
  if (Quiet() || fake_cuda::Idle()) return cudaSuccess;
  if (!Fits(world, data, bytes)) {
    world.Complain("memory is set beyond what was asked for");
    return cudaErrorInvalidValue;
  }
  const Work set = [data, value, bytes] { std::memset(data, value, bytes); };
  if (stream->capture) {
    stream->capture->work.push_back(set);
  } else {
    stream->Enqueue(set);
    stream->Drain();
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind /*kind*/,
                            cudaStream_t stream) {
  return Call([&](World& world) { return Copy(world, to, from, bytes, stream); });
}

cudaError_t cudaMemcpyPeerAsync(void* to, int /*device*/, const void* from, int /*from_device*/,
                                std::size_t bytes, cudaStream_t stream) {
  return Call([&](World& world) { return Copy(world, to, from, bytes, stream); });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind /*kind*/) {
  return Call([&](World& world) {
    if (const cudaError_t error = world.Unsafe("cudaMemcpy")) return error;
    const cudaError_t error = Copy(world, to, from, bytes, nullptr);
    StreamOf(nullptr)->Drain();
    return error;
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind /*kind*/, cudaStream_t stream) {
  return Call([&](World& world) {
    cudaError_t error = cudaSuccess;
    for (std::size_t row = 0; row < height && error == cudaSuccess; ++row) {
      error = Copy(world, static_cast<char*>(to) + row * to_pitch,
                   static_cast<const char*>(from) + row * from_pitch, width, stream);
    }
    return error;
  });
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  return Call([&](World& world) { return Set(world, data, value, bytes, stream); });
}

cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  return cudaMemsetAsync(data, value, bytes, nullptr);
}
}
