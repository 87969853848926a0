#include "runtime/stream_context.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>

#include "runtime/intra_op_threads.h"

namespace safeasr::runtime {

StreamContext::StreamContext(at::Device device, IntraOpThreads threads)
    : device_(device), threads_(threads), threads_now_(threads.least), inference_mode_(true) {
  SetIntraOpThreadsForThisThread(threads_.least);
  StartIntraOpThreads(threads_.most);
  // Thread-local. Without it the executor would profile the first runs and then compile a version
  // for the shapes it saw: seconds of latency at moments nobody chose, for shapes that vary.
  torch::jit::setGraphExecutorOptimize(false);
  if (!device_.is_cpu()) {
    // There is a pool of streams on accelerators only; the CPU's guard throws.
    const c10::impl::VirtualGuardImpl guard(device_.type());
    stream_guard_.emplace(guard.getStreamFromGlobalPool(device_, /*isHighPriority=*/false));
  }
}

void StreamContext::ShareOfIdle(std::size_t workers) {
  const int share = static_cast<int>(std::min<std::size_t>(workers, 1 << 10)) * threads_.least;
  const int wanted = std::max(threads_.least, std::min(share, threads_.most));
  if (wanted == threads_now_) return;
  SwitchIntraOpThreads(wanted);
  threads_now_ = wanted;
}

void StreamContext::Synchronize() const {
  if (stream_guard_) stream_guard_->current_stream().synchronize();
}

}  // namespace safeasr::runtime
