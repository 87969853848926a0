#include "runtime/layer_hook.h"

#include <algorithm>

#include "runtime/device_context.h"
#include "runtime/graph_lists.h"

namespace safeasr::runtime {
namespace {

// Threads wait for each other at every operator. Of 16 rows, a live stream's chunk, two take as
// long as one and a fourth more of the processor; of 32 a fifth less time. Operators of narrower
// types are over sooner.
bool WorthSharing(const at::Tensor& rows, std::int64_t channels) {
  if (rows.dim() < 2) return false;
  const std::int64_t count = rows.numel() / std::max<std::int64_t>(rows.size(channels), 1);
  return count >= (rows.scalar_type() == at::kFloat ? 32 : 64);
}

}  // namespace

void BetweenLayers(const at::Tensor& rows, std::int64_t channels) {
  DeviceContext* const context = DeviceContext::OfThisThread();
  if (context == nullptr) return;
  if (context->device().is_cpu()) context->ShareCores(WorthSharing(rows, channels));
  ThrowIfUnwanted();
}

void ThrowIfUnwanted() {
  const DeviceContext* const context = DeviceContext::OfThisThread();
  if (context != nullptr && GraphLists::OfThisThread() == nullptr) context->ThrowIfUnwanted();
}

}  // namespace safeasr::runtime
