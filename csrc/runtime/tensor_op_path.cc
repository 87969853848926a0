#include "runtime/tensor_op_path.h"

#include <atomic>

namespace safeasr::runtime {
namespace {

std::atomic<bool> forced{false};

}  // namespace

bool TakesTensorOpPath(at::Device device) {
  return !device.is_cpu() || forced.load(std::memory_order_relaxed);
}

void ForceTensorOpPath(bool force) { forced.store(force, std::memory_order_relaxed); }

}  // namespace safeasr::runtime
