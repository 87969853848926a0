#include "runtime/stream_context.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "runtime/intra_op_threads.h"

namespace safeasr::runtime {

StreamContext::StreamContext(at::Device device, int intra_op_threads)
    : device_(device), inference_mode_(true) {
  SetIntraOpThreadsForThisThread(intra_op_threads);
  // Thread-local. Without it the executor would profile the first runs and then compile a version
  // for the shapes it saw: seconds of latency at moments nobody chose, for shapes that vary.
  torch::jit::setGraphExecutorOptimize(false);
  if (!device_.is_cpu()) {
    // There is a pool of streams on accelerators only; the CPU's guard throws.
    const c10::impl::VirtualGuardImpl guard(device_.type());
    stream_guard_.emplace(guard.getStreamFromGlobalPool(device_, /*isHighPriority=*/false));
  }
}

void StreamContext::Synchronize() const {
  if (stream_guard_) stream_guard_->current_stream().synchronize();
}

}  // namespace safeasr::runtime
