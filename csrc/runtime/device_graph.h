// DeviceGraph: what was queued on a stream once, kept to be queued again as a whole.
//
// A live stream's step is a thousand small launches; queued one by one, they take the host longer
// than the device. CUDA calls this a graph.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include <memory>

namespace safeasr::runtime {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  // Between the two, what the calling thread queues on its stream is recorded and does not run.
  // Memory that it takes comes from a pool, of graphs of which no two ever run at the same time;
  // {0, 0} makes a new one. Other threads go on as they are, but only one thread of the process may
  // record, or destroy a graph, at a time. The stream is not a device's default one.
  virtual void Begin(c10::MempoolId_t pool) = 0;
  virtual void End() = 0;
  virtual c10::MempoolId_t pool() const = 0;

  // Queues what was recorded on the calling thread's stream: the same work on the same memory.
  virtual void Replay() = 0;

  // Whether graphs of such a device can be recorded: by this build, and by this torch.
  static bool Supported(c10::Device device);

  // An empty graph. Throws std::runtime_error where they are not supported.
  static std::unique_ptr<DeviceGraph> Make(c10::Device device);
};

}  // namespace safeasr::runtime
