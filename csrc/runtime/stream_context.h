// StreamContext: what a worker thread owns on a device: the device, its stream, and the
// thread-local settings of torch. Made on the worker's own thread and destroyed there.
#pragma once

#include <ATen/Device.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <memory>
#include <optional>

#include "core/runner.h"

namespace safeasr::runtime {

// Threads that one operator may use on the CPU.
struct IntraOpThreads {
  int least = 1;  // always
  int most = 1;   // when other workers have nothing to do: as many as they are
};

class StreamContext : public core::WorkerContext {
 public:
  // Throws c10::Error when the device does not exist.
  StreamContext(at::Device device, IntraOpThreads threads);

  void ShareOfIdle(std::size_t workers) override;

  at::Device device() const { return device_; }

  // Blocks until everything queued on this worker's stream has run. Nothing to do on the CPU.
  void Synchronize() const;

 private:
  const at::Device device_;
  const IntraOpThreads threads_;
  int threads_now_;
  // Autograd bookkeeping stays off for the thread's whole life: the guard is thread-local.
  const c10::InferenceMode inference_mode_;
  std::optional<c10::StreamGuard> stream_guard_;
};

// The context behind the base class, for runners.
inline StreamContext& AsStreamContext(core::WorkerContext& context) {
  return static_cast<StreamContext&>(context);
}

}  // namespace safeasr::runtime
