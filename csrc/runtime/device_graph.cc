#include "runtime/device_graph.h"

#include <stdexcept>
#include <utility>

#include "runtime/cuda_graph.h"

// torch's own, for any kind of device. It has it since 2.12, and not for CUDA.
#if __has_include(<ATen/core/GraphImplInterface.h>)
#include <ATen/core/GraphImplInterface.h>
#define SAFEASR_GRAPH_INTERFACE 1
#endif

namespace safeasr::runtime {
namespace {

#ifdef SAFEASR_GRAPH_INTERFACE
class TorchGraph : public DeviceGraph {
 public:
  explicit TorchGraph(std::unique_ptr<at::GraphImplInterface> impl) : impl_(std::move(impl)) {}

  void Begin(c10::MempoolId_t pool) override {
    impl_->capture_begin(pool, at::GraphCaptureMode::ThreadLocal);
  }
  void End() override { impl_->capture_end(); }
  void Replay() override { impl_->replay(); }
  c10::MempoolId_t pool() const override { return impl_->pool(); }

 private:
  const std::unique_ptr<at::GraphImplInterface> impl_;
};
#endif

}  // namespace

bool DeviceGraph::Supported(c10::Device device) {
  if (device.is_cpu()) return false;
  if (device.is_cuda()) return CudaGraphsSupported();
#ifdef SAFEASR_GRAPH_INTERFACE
  return at::has_graph_impl(device.type());
#else
  return false;
#endif
}

std::unique_ptr<DeviceGraph> DeviceGraph::Make(c10::Device device) {
  if (!Supported(device)) {
    throw std::runtime_error("graphs cannot be recorded on " + device.str());
  }
  if (device.is_cuda()) return MakeCudaGraph();
#ifdef SAFEASR_GRAPH_INTERFACE
  return std::make_unique<TorchGraph>(at::create_graph_impl(device.type()));
#else
  return nullptr;
#endif
}

}  // namespace safeasr::runtime
