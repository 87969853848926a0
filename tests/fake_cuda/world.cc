#include "world.h"

#include <cstdio>

#include "control.h"

namespace fake_cuda {
namespace {

constexpr std::size_t kMostComplaints = 100;

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
thread_local bool quiet = false;

}  // namespace

int& CurrentDevice() { return current_device; }
cudaStreamCaptureMode& CaptureMode() { return capture_mode; }
bool& Quiet() { return quiet; }

World::World() {
  for (int device = 0; device < kDevices; ++device) {
    limit[device] = Idle() ? kIdleMemory : kMemoryOfDevice;
    streams.push_back(default_stream[device] = new CUstream_st);
    default_stream[device]->device = device;
  }
}

World& World::Get() {
  static World* const world = new World;
  return *world;
}

const Range* World::Find(const void* pointer, std::uintptr_t* first) const {
  const auto at = reinterpret_cast<std::uintptr_t>(pointer);
  auto found = ranges.upper_bound(at);
  if (found == ranges.begin()) return nullptr;
  --found;
  if (at >= found->first + found->second.bytes) return nullptr;
  if (first != nullptr) *first = found->first;
  return &found->second;
}

void World::Complain(const std::string& what) {
  if (complaints.size() == kMostComplaints) return;
  complaints.push_back(what);
  std::fprintf(stderr, "fake CUDA: %s\n", what.c_str());
}

cudaError_t World::Unsafe(const char* name) {
  if (capture_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  for (const std::shared_ptr<Capture>& capture : captures) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool own = capture->owner == std::this_thread::get_id();
    const bool everybodys =
        capture->mode == cudaStreamCaptureModeGlobal && capture_mode == cudaStreamCaptureModeGlobal;
    if (!own && !everybodys) continue;
    capture->invalid = true;
    Complain(std::string(name) + " while a stream records");
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

cudaError_t Fail(cudaError_t error) { return last_error = error; }

CUstream_st* StreamOf(cudaStream_t given) {
  const bool is_default =
      given == nullptr || given == cudaStreamLegacy || given == cudaStreamPerThread;
  return is_default ? World::Get().default_stream[current_device] : given;
}

}  // namespace fake_cuda

void CUstream_st::Drain(std::uint64_t until) {
  while (!late.empty() && done < until) {
    const fake_cuda::Work next = std::move(late.front());
    late.pop_front();
    ++done;
    next();
  }
}

extern "C" {

cudaError_t cudaGetLastError() { return std::exchange(fake_cuda::last_error, cudaSuccess); }

cudaError_t cudaPeekAtLastError() { return fake_cuda::last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  if (error == cudaSuccess) return "cudaSuccess";
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorOther";
}

const char* cudaGetErrorString(cudaError_t error) {
  static thread_local char text[64];
  if (error == cudaErrorMemoryAllocation) return "out of memory";
  std::snprintf(text, sizeof text, "error %d of the fake CUDA", static_cast<int>(error));
  return text;
}
}
