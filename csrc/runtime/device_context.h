// DeviceContext: what a worker thread owns on a device: the device, its stream, and the
// thread-local settings of torch. Made on the worker's own thread and destroyed there.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <memory>
#include <optional>
#include <vector>

#include "core/runner.h"
#include "runtime/device_queue.h"
#include "runtime/step_graphs.h"

namespace safeasr::runtime {

// Threads that one operator may use on the CPU.
struct IntraOpThreads {
  int least = 1;  // always
  int most = 1;   // while other workers have nothing to do
};

class DeviceContext : public core::WorkerContext {
 public:
  // Throws std::invalid_argument when the device does not exist.
  DeviceContext(at::Device device, IntraOpThreads threads);

  ~DeviceContext() override;

  void Watch(const core::WorkerLoad& load) override { load_ = &load; }

  // The context of the worker whose thread this is; null on other threads.
  static DeviceContext* OfThisThread();

  // Gives this worker's next operators the cores that other workers have no use for at this moment.
  // Called often, from between the layers of networks (layer_hook.h), so that a batch takes what
  // becomes free while it runs, and gives it back as soon as somebody has work again. worth_it:
  // whether the operators are large enough to gain by it.
  void ShareCores(bool worth_it);

  // Waits for this worker's stream alone, and sleeps meanwhile.
  void Finish() override;
  // Notes that memory ran out: then the next Finish() lets go of the graphs.
  core::Failure NoteFailure(const std::exception_ptr& error) noexcept override;

  at::Device device() const { return device_; }

  // The worker's stream; null on the CPU.
  const DeviceQueue* stream() const { return stream_ ? &*stream_ : nullptr; }

  // The worker's graphs of steps.
  StepGraphs& graphs() { return graphs_; }

  // runtime::Upload to the worker's device.
  at::Tensor Upload(const at::Tensor& host) const;

  // Tensors of the device on the host, contiguous; waits for them, once for all, and so for all
  // that was queued before.
  std::vector<at::Tensor> Download(const std::vector<at::Tensor>& tensors);

 private:
  // Sleeps until all that is queued on the stream now has run.
  void WaitForStream();
  core::Failure FailureOf(const std::exception_ptr& error) noexcept;

  const at::Device device_;
  const IntraOpThreads threads_;
  int threads_now_;
  const core::WorkerLoad* load_ = nullptr;
  // Autograd bookkeeping stays off for the thread's whole life: the guard is thread-local.
  const c10::InferenceMode inference_mode_;
  std::optional<DeviceQueue> stream_;
  std::optional<c10::StreamGuard> stream_guard_;
  std::optional<c10::Event> reached_;  // how far the stream is
  bool out_of_memory_ = false;         // since the last Finish()
  StepGraphs graphs_;                  // go first: while there is a stream
};

// The context behind the base class, for runners.
inline DeviceContext& AsDeviceContext(core::WorkerContext& context) {
  return static_cast<DeviceContext&>(context);
}

}  // namespace safeasr::runtime
