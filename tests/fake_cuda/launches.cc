// Kernels: registered by torch's libraries as they are loaded, launched, and not run.
#include <cstdio>
#include <cstring>
#include <vector>

#include "world.h"

using fake_cuda::Call;
using fake_cuda::CurrentDevice;
using fake_cuda::kSharedMemory;
using fake_cuda::Quiet;
using fake_cuda::StreamOf;
using fake_cuda::World;

namespace {

constexpr unsigned kMostThreads = 1024, kMostBlocks = 65535;

// What stands between <<< and >>>.
struct Configuration {
  dim3 grid, block;
  std::size_t shared;
  void* stream;
};
thread_local std::vector<Configuration> configurations;

std::map<const void*, std::string>& Names() {
  static auto* const names = new std::map<const void*, std::string>;
  return *names;
}

bool Possible(const dim3& grid, const dim3& block, std::size_t shared) {
  const unsigned threads = block.x * block.y * block.z;
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y <= kMostBlocks && grid.z <= kMostBlocks &&
         threads > 0 && threads <= kMostThreads && shared <= kSharedMemory;
}

cudaError_t Launch(const void* function, const dim3& grid, const dim3& block, std::size_t shared,
                   cudaStream_t given) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    if (stream->device != CurrentDevice()) {
      world.Complain("a kernel on a stream of another device");
      return cudaErrorInvalidResourceHandle;
    }
    if (!Possible(grid, block, shared)) {
      char text[120];
      std::snprintf(text, sizeof text, "a launch of %u x %u x %u blocks of %u x %u x %u threads",
                    grid.x, grid.y, grid.z, block.x, block.y, block.z);
      world.Complain(text);
      return cudaErrorInvalidConfiguration;
    }
    world.Count("kernels");
    if (!Quiet()) {
      // Of no operator that operators.cc knows: nobody computes what it would.
      const auto name = Names().find(function);
      world.Count("kernels that nobody runs: " +
                  (name == Names().end() ? std::string("?") : name->second));
    }
    if (stream->capture) {
      stream->capture->work.push_back([] {});
    } else {
      stream->Drain();
    }
    return cudaSuccess;
  });
}

}  // namespace

extern "C" {

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** /*arguments*/,
                             std::size_t shared, cudaStream_t stream) {
  return Launch(function, grid, block, shared, stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block,
                                        void** /*arguments*/, std::size_t shared,
                                        cudaStream_t stream) {
  return Launch(function, grid, block, shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function,
                                void** /*arguments*/) {
  return Launch(function, config->gridDim, config->blockDim, config->dynamicSmemBytes,
                config->stream);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** /*arguments*/,
                               std::size_t shared, cudaStream_t stream) {
  return Launch(kernel, grid, block, shared, stream);
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared,
                                     CUstream_st* stream) {
  configurations.push_back({grid, block, shared, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared, void* stream) {
  const Configuration top = configurations.back();
  configurations.pop_back();
  *grid = top.grid;
  *block = top.block;
  *shared = top.shared;
  *static_cast<void**>(stream) = top.stream;
  return cudaSuccess;
}

void** __cudaRegisterFatBinary(void* /*binary*/) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void** /*handle*/) {}
void __cudaUnregisterFatBinary(void** /*handle*/) {}
char __cudaInitModule(void** /*handle*/) { return 1; }
void __cudaRegisterVar(void** /*handle*/, char* /*host*/, char* /*device*/, const char* /*name*/,
                       int /*external*/, std::size_t /*bytes*/, int /*constant*/, int /*global*/) {}
void __cudaRegisterFunction(void** /*handle*/, const char* host, char* /*device*/, const char* name,
                            int /*limit*/, uint3* /*thread*/, uint3* /*block*/, dim3* /*threads*/,
                            dim3* /*blocks*/, int* /*shared*/) {
  Names()[host] = name;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* found, const void* /*function*/) {
  std::memset(found, 0, sizeof *found);
  found->maxThreadsPerBlock = kMostThreads;
  found->numRegs = 32;
  found->ptxVersion = found->binaryVersion = 90;
  found->maxDynamicSharedSizeBytes = kSharedMemory;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* /*function*/, cudaFuncAttribute /*attribute*/,
                                 int /*value*/) {
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* count,
                                                                   const void* /*function*/,
                                                                   int /*threads*/,
                                                                   std::size_t /*shared*/,
                                                                   unsigned /*flags*/) {
  *count = 2;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* count, const void* function,
                                                          int threads, std::size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(count, function, threads, shared,
                                                                0);
}
}
