#include "asr/features/cmvn.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

at::Tensor Copy(const std::vector<float>& values, int64_t size) {
  const at::Tensor tensor = at::empty({size}, at::kFloat);
  std::memcpy(tensor.data_ptr<float>(), values.data(), static_cast<size_t>(size) * sizeof(float));
  return tensor;
}

}  // namespace

Cmvn::Cmvn(const std::vector<float>& shift, const std::vector<float>& scale, int64_t size) {
  if (shift.empty() && scale.empty()) return;
  const auto wanted = static_cast<size_t>(size);
  if (shift.size() < wanted || scale.size() < wanted) {
    throw std::invalid_argument("cmvn_shift and cmvn_scale: expected " + std::to_string(size) +
                                " values each, got " + std::to_string(shift.size()) + " and " +
                                std::to_string(scale.size()));
  }
  shift_ = Copy(shift, size);
  scale_ = Copy(scale, size);
}

void Cmvn::Apply(at::Tensor& values) const {
  if (empty()) return;
  // Two vectors of a few KiB: sending them along costs less than keeping a copy per device.
  values.add_(runtime::Upload(shift_, values.device()))
      .mul_(runtime::Upload(scale_, values.device()));
}

}  // namespace safeasr::asr
