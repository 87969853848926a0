#include "runtime/cuda_graph.h"

#ifdef SAFEASR_CUDA_HEADERS
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/version.h>

#include <mutex>
#endif

namespace safeasr::runtime {

#ifdef SAFEASR_CUDA_HEADERS
namespace {

// torch's, without what it does to others of the process.
class Graph : public at::cuda::CUDAGraph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 12
  // It would take cuBLAS's scratch memory away from the stream that it was recorded on, and the
  // stream's other graphs still write there. Of this stream nobody has any.
  ~Graph() {
    const c10::DeviceIndex device = capture_stream_.device_index();
    capture_stream_ =
        c10::cuda::getStreamFromExternal(reinterpret_cast<cudaStream_t>(this), device);
  }
#endif

  void Begin(c10::MempoolId_t pool) {
#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 12
    // The device's generator of random numbers counts itself as recording, for all threads, and
    // lists its graphs without a lock. These draw none: nobody sees it before it is undone.
    at::Generator generator = at::cuda::detail::getDefaultCUDAGenerator();
    const std::lock_guard<std::mutex> lock(generator.mutex());
#endif
    try {
      // Calls that are forbidden during a capture are so for this thread only.
      capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    } catch (...) {
      ForgetGenerators();
      if (LeavePool()) ReleasePool();
      throw;
    }
    ForgetGenerators();
  }

  void End() {
    try {
      capture_end();
    } catch (...) {
      LeavePool();
      if (!capture_ended_) ReleasePool();
      throw;
    }
  }

 private:
  void ForgetGenerators() {
#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 12
    for (auto& [state, increment] : captured_generator_states_) {
      state->capturing_ = false;
      state->registered_graphs_.erase(this);
    }
    captured_generator_states_.clear();
#endif
  }

#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 14
  // After a failure: torch's allocators would ask this graph for ever whether it records, and while
  // any does they neither give memory back nor, when there is none left, what they keep unused.
  bool LeavePool() noexcept {
    try {
      at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(mempool_id_);
    } catch (...) {  // not in it
    }
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(capture_dev_, mempool_id_);
    } catch (...) {
      return false;
    }
    return true;
  }

  void ReleasePool() noexcept {
    try {
      c10::cuda::CUDACachingAllocator::releasePool(capture_dev_, mempool_id_);
      at::getHostAllocator(at::kCUDA)->release_pool(mempool_id_);
    } catch (...) {  // it keeps some memory
    }
  }
#else
  // The destructor does it.
  bool LeavePool() noexcept { return false; }
  void ReleasePool() noexcept {}
#endif
};

class CudaGraph : public DeviceGraph {
 public:
  void Begin(c10::MempoolId_t pool) override { graph_.Begin(pool); }
  void End() override { graph_.End(); }
  void Replay() override { graph_.replay(); }
  // Not const there.
  c10::MempoolId_t pool() const override { return const_cast<Graph&>(graph_).pool(); }

 private:
  Graph graph_;
};

}  // namespace

bool CudaGraphsSupported() { return true; }
std::unique_ptr<DeviceGraph> MakeCudaGraph() { return std::make_unique<CudaGraph>(); }
#else
bool CudaGraphsSupported() { return false; }
std::unique_ptr<DeviceGraph> MakeCudaGraph() { return nullptr; }
#endif

}  // namespace safeasr::runtime
