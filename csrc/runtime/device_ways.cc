#include "runtime/device_ways.h"

#include <atomic>

namespace safeasr::asr {
namespace {

std::atomic<bool> forced{false};

}  // namespace

bool ByDeviceWays(at::Device device) {
  return !device.is_cpu() || forced.load(std::memory_order_relaxed);
}

void ForceDeviceWays(bool force) { forced.store(force, std::memory_order_relaxed); }

}  // namespace safeasr::asr
