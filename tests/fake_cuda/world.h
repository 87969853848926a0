// World: the made-up CUDA machine behind this libcudart. Host memory passes for that of devices;
// copies between host and device come late; kernels do nothing (operators.cc computes instead); and
// what a stream records, CUDA's rules are held to.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fake_cuda {

constexpr int kDevices = 2;
// The second where nothing is computed: then it is only addresses.
constexpr std::size_t kMemoryOfDevice = std::size_t{6} << 30, kIdleMemory = std::size_t{80} << 30;
// Of a Hopper card, for one block of threads.
constexpr int kSharedMemory = 232448;

using Work = std::function<void()>;

// What a stream records.
struct Capture {
  std::uint64_t id;
  cudaStreamCaptureMode mode;
  std::thread::id owner;
  int device;
  bool invalid = false;
  std::vector<Work> work{};
};

// Memory that was asked for; device -1: pinned memory of the host.
struct Range {
  std::size_t bytes;
  int device;
};

class World {
 public:
  static World& Get();  // never destroyed: torch gives memory back at the very end
  std::unique_lock<std::recursive_mutex> Hold() {
    return std::unique_lock<std::recursive_mutex>(mutex_);
  }

  // All of these expect it to be held.
  // The memory that a pointer points into and where that begins; null if it is nobody's.
  const Range* Find(const void* pointer, std::uintptr_t* first = nullptr) const;
  // What CUDA refuses and a program should not ask for; also printed.
  void Complain(const std::string& what);
  void Count(const std::string& what) { ++counts[what]; }
  // Whether the calling thread may make a call that CUDA calls unsafe: not while it records,
  // unless it has said that it minds nothing.
  cudaError_t Unsafe(const char* name);

  std::map<std::uintptr_t, Range> ranges;
  std::size_t used[kDevices] = {};
  std::size_t limit[kDevices];
  std::int64_t fail_after = -1, fail_times = 0;  // allocations of devices
  cudaError_t broken = cudaSuccess;              // what every call returns
  std::int64_t calls_left = -1;                  // until it returns `breaks_with`; -1: for ever
  cudaError_t breaks_with = cudaSuccess;
  std::map<std::string, std::uint64_t> counts;
  std::vector<std::string> complaints;
  std::vector<CUstream_st*> streams;
  CUstream_st* default_stream[kDevices];
  std::vector<std::shared_ptr<Capture>> captures;  // that have not ended
  std::uint64_t last_capture = 0;

 private:
  World();
  std::recursive_mutex mutex_;
};

// The calling thread's.
int& CurrentDevice();
cudaStreamCaptureMode& CaptureMode();
// The real kernel of an operator runs, for its checks: what it queues is of no concern.
bool& Quiet();

// Remembers the error for cudaGetLastError.
cudaError_t Fail(cudaError_t error);

// A call of the API: behind the lock, and refused when the machine is broken.
template <class Body>
cudaError_t Call(Body body) {
  World& world = World::Get();
  const auto lock = world.Hold();
  if (world.calls_left >= 0 && world.calls_left-- == 0) world.broken = world.breaks_with;
  if (world.broken != cudaSuccess) return Fail(world.broken);
  const cudaError_t error = body(world);
  return error == cudaSuccess ? error : Fail(error);
}

// The stream itself, where CUDA has names for some.
CUstream_st* StreamOf(cudaStream_t given);

}  // namespace fake_cuda

// CUDA's own names for what its handles point to.
struct CUstream_st {
  void Enqueue(fake_cuda::Work work) {
    late.push_back(std::move(work));
    ++queued;
  }
  // Does what is queued, up to a number.
  void Drain(std::uint64_t until = ~std::uint64_t{0});

  int device = 0, priority = 0;
  std::uint64_t queued = 0, done = 0;
  std::deque<fake_cuda::Work> late{};
  std::shared_ptr<fake_cuda::Capture> capture{};
};

struct CUevent_st {
  int device = 0;
  CUstream_st* stream = nullptr;  // null: never recorded
  std::uint64_t until = 0;
  int asked = 0;
  double at_ms = 0;
  std::shared_ptr<fake_cuda::Capture> capture{};
};

struct CUgraph_st {
  std::vector<fake_cuda::Work> work;
};

struct CUgraphExec_st {
  std::vector<fake_cuda::Work> work;
};
