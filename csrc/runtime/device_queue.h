// DeviceQueue: a worker's own stream of a device.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <mutex>

namespace safeasr::runtime {

// torch hands out the few streams of its pool in turn, whether or not somebody has them already.
// This one is nobody else's here as long as there are enough: while a stream records, what another
// thread queues on it would be recorded with the rest. Streams that workers gave back go to the
// next ones first: torch keeps scratch memory of cuBLAS for every stream that it saw (32 MiB on
// Hopper, for each of its handles), and a service that opens models again and again would lose
// gigabytes.
class DeviceQueue {
 public:
  explicit DeviceQueue(c10::Device device);
  ~DeviceQueue();
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;

  const c10::Stream& stream() const { return stream_; }

  // While somebody holds it, no worker gets a stream or lets go of one.
  static std::mutex& Mutex();
  // Expects it to be held. Whether no other worker has the stream.
  bool Alone() const;

 private:
  const c10::Stream stream_;
};

}  // namespace safeasr::runtime
