#include "runtime/cuda_graph.h"

#ifdef SAFEASR_CUDA_HEADERS
#include <ATen/cuda/CUDAGraph.h>
#endif

namespace safeasr::runtime {

#ifdef SAFEASR_CUDA_HEADERS
namespace {

class CudaGraph : public DeviceGraph {
 public:
  // Calls that are forbidden during a capture are so for this thread only.
  void Begin(c10::MempoolId_t pool) override {
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
  }
  void End() override { graph_.capture_end(); }
  void Replay() override { graph_.replay(); }
  // Not const there.
  c10::MempoolId_t pool() const override { return const_cast<at::cuda::CUDAGraph&>(graph_).pool(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace

bool CudaGraphsSupported() { return true; }
std::unique_ptr<DeviceGraph> MakeCudaGraph() { return std::make_unique<CudaGraph>(); }
#else
bool CudaGraphsSupported() { return false; }
std::unique_ptr<DeviceGraph> MakeCudaGraph() { return nullptr; }
#endif

}  // namespace safeasr::runtime
