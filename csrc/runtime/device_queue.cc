#include "runtime/device_queue.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>
#include <unordered_map>

namespace safeasr::runtime {
namespace {

// More than torch has of a device, so that each comes up.
constexpr int kTries = 64;

// How many workers have a stream, none for those that were given back; behind the mutex.
std::unordered_map<c10::Stream, int>& Users() {
  static std::unordered_map<c10::Stream, int> users;
  return users;
}

// One that an earlier worker had.
std::optional<c10::Stream> GivenBack(c10::Device device) {
  for (const auto& [stream, count] : Users()) {
    if (count == 0 && stream.device() == device) return stream;
  }
  return std::nullopt;
}

c10::Stream Take(c10::Device device) {
  const std::lock_guard<std::mutex> lock(DeviceQueue::Mutex());
  const c10::impl::VirtualGuardImpl guard(device.type());
  const auto draw = [&] { return guard.getStreamFromGlobalPool(device, /*isHighPriority=*/false); };
  std::optional<c10::Stream> stream = GivenBack(device);
  if (!stream) {
    stream = draw();
    for (int i = 1; i < kTries && Users().count(*stream) > 0; ++i) stream = draw();
  }
  ++Users()[*stream];
  return *stream;
}

}  // namespace

DeviceQueue::DeviceQueue(c10::Device device) : stream_(Take(device)) {}

DeviceQueue::~DeviceQueue() {
  const std::lock_guard<std::mutex> lock(Mutex());
  --Users().at(stream_);
}

std::mutex& DeviceQueue::Mutex() {
  static std::mutex mutex;
  return mutex;
}

bool DeviceQueue::Alone() const { return Users().at(stream_) == 1; }

}  // namespace safeasr::runtime
