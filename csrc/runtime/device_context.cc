#include "runtime/device_context.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/worker_load.h"
#include "runtime/devices.h"
#include "runtime/intra_op_threads.h"
#include "runtime/upload.h"

namespace safeasr::runtime {
namespace {

// Pauses between looks at a stream: short at first, for steps of live streams take milliseconds.
constexpr auto kFirstPause = std::chrono::microseconds(20);
constexpr auto kLongestPause = std::chrono::microseconds(200);
// After as many looks the device's own wait takes over.
constexpr int kLooks = 50'000;

// The context of the worker whose thread this is.
thread_local DeviceContext* of_this_thread = nullptr;

// What torch's allocators, the interpreter of programs and oneDNN say. The interpreter throws
// another type than it caught, and leaves only the words. oneDNN says these where a kernel finds no
// memory; that it has no kernel at all for a program shows with the first request, or never.
bool SaysOutOfMemory(const char* message) {
  for (const char* words : {"out of memory", "can't allocate memory",
                            "could not create a primitive", "could not create a memory"}) {
    if (std::strstr(message, words) != nullptr) return true;
  }
  return false;
}

}  // namespace

DeviceContext::DeviceContext(at::Device device, IntraOpThreads threads)
    : device_(Existing(device)),
      threads_(threads),
      threads_now_(threads.least),
      inference_mode_(true) {
  SetIntraOpThreadsForThisThread(threads_.least);
  StartIntraOpThreads(threads_.most);
  // Thread-local. Without it the executor would profile the first runs and then compile a version
  // for the shapes it saw: seconds of latency at moments nobody chose, for shapes that vary.
  torch::jit::setGraphExecutorOptimize(false);
  of_this_thread = this;
  if (!device_.is_cpu()) {
    // There is a pool of streams on accelerators only; the CPU's guard throws.
    stream_.emplace(device_);
    stream_guard_.emplace(stream_->stream());
    reached_.emplace(device_.type());
  }
}

DeviceContext::~DeviceContext() { of_this_thread = nullptr; }

DeviceContext* DeviceContext::OfThisThread() { return of_this_thread; }

void DeviceContext::ShareCores(bool worth_it) {
  if (load_ == nullptr || threads_.most <= threads_.least) return;
  int wanted = threads_.least;
  if (worth_it) {
    const int share = static_cast<int>(std::min<std::size_t>(load_->Share(), 1 << 10));
    wanted = std::min(share * threads_.least, threads_.most);
  }
  if (wanted == threads_now_) return;
  SwitchIntraOpThreads(wanted);
  threads_now_ = wanted;
}

// Asked again and again instead of waited for: an accelerator's own wait spins, and takes a core
// from those who prepare the next batch.
void DeviceContext::Finish() {
  if (!reached_) return;
  const bool clear = std::exchange(out_of_memory_, false);
  WaitForStream();
  if (clear) graphs_.Clear();  // nothing uses them now, and others need what they hold
}

void DeviceContext::WaitForStream() {
  reached_->record(stream_guard_->current_stream());
  auto pause = kFirstPause;
  for (int i = 0; i < kLooks; ++i) {
    if (reached_->query()) return;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  reached_->synchronize();
}

core::Failure DeviceContext::NoteFailure(const std::exception_ptr& error) noexcept {
  core::Failure failure = FailureOf(error);
  out_of_memory_ = failure.kind == core::ErrorKind::kOutOfMemory;
  return failure;
}

core::Failure DeviceContext::FailureOf(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const c10::OutOfMemoryError& e) {
    return core::MakeFailure(core::ErrorKind::kOutOfMemory, e.what_without_backtrace());
  } catch (const c10::Error& e) {
    const char* message = e.what_without_backtrace();
    return core::MakeFailure(
        SaysOutOfMemory(message) ? core::ErrorKind::kOutOfMemory : core::ErrorKind::kInternal,
        message);
  } catch (const std::exception& e) {
    core::Failure failure = WorkerContext::NoteFailure(error);
    if (failure.kind == core::ErrorKind::kInternal && SaysOutOfMemory(e.what())) {
      failure.kind = core::ErrorKind::kOutOfMemory;
    }
    return failure;
  } catch (...) {
    return WorkerContext::NoteFailure(error);
  }
}

at::Tensor DeviceContext::Upload(const at::Tensor& host) const {
  return runtime::Upload(host, device_);
}

std::vector<at::Tensor> DeviceContext::Download(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> host;
  host.reserve(tensors.size());
  bool waits = false;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.is_cpu()) {
      host.push_back(tensor.contiguous());
      continue;
    }
    const at::Tensor dense = tensor.contiguous();
    host.push_back(Staging(dense.sizes(), dense.scalar_type(), dense.device()));
    host.back().copy_(dense, /*non_blocking=*/true);
    waits = true;
  }
  if (waits) Finish();
  return host;
}

}  // namespace safeasr::runtime
