#include "asr/ragged_batch.h"

#include <ATen/ATen.h>

#include "runtime/tensor_op_path.h"

namespace safeasr::asr {

std::vector<std::int64_t> Offsets(const std::vector<std::int64_t>& counts) {
  std::vector<std::int64_t> offsets{0};
  for (const std::int64_t count : counts) offsets.push_back(offsets.back() + count);
  return offsets;
}

at::Tensor Numbers(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::TensorOptions(at::kLong));
}

std::int64_t Padded(std::int64_t rows, std::int64_t step) {
  return (rows + step - 1) / step * step;
}

std::int64_t RowStep(std::int64_t rows) {
  if (rows <= 128) return 8;
  return rows <= 512 ? 16 : 32;
}

std::int64_t StepOn(at::Device device, std::int64_t step) {
  return runtime::TakesTensorOpPath(device) ? 1 : step;
}

at::Tensor PadRows(const at::Tensor& rows, std::int64_t step) {
  const std::int64_t missing = Padded(rows.size(0), step) - rows.size(0);
  return missing == 0 ? rows : at::constant_pad_nd(rows, {0, 0, 0, missing});
}

at::Tensor Positions(const std::vector<std::int64_t>& counts, std::int64_t rows) {
  at::Tensor out = at::ones({rows}, at::kFloat);
  float* to = out.data_ptr<float>();
  for (const std::int64_t count : counts) {
    for (std::int64_t t = 1; t <= count; ++t) *to++ = static_cast<float>(t);
  }
  return out;
}

at::Tensor Neighbours(const std::vector<std::int64_t>& counts, std::int64_t rows, std::int64_t left,
                      std::int64_t right) {
  const std::int64_t span = left + 1 + right;
  at::Tensor out = at::zeros({rows, span}, at::kLong);
  std::int64_t* to = out.data_ptr<std::int64_t>();
  std::int64_t first = 0;
  for (const std::int64_t count : counts) {
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t n = t - left; n <= t + right; ++n, ++to) {
        if (n >= 0 && n < count) *to = first + n + 1;
      }
    }
    first += count;
  }
  return out;
}

}  // namespace safeasr::asr
