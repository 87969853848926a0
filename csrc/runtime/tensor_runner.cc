#include "runtime/tensor_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "core/errors.h"
#include "runtime/device_context.h"

namespace safeasr::runtime {

std::vector<std::shared_ptr<const core::Result>> TensorRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  const at::Device device = AsDeviceContext(context).device();
  const auto count = static_cast<std::int64_t>(batch.size());
  std::vector<at::Tensor> rows;
  std::vector<std::int64_t> lengths;
  for (const core::Payload* payload : batch) {
    rows.push_back(static_cast<const TensorPayload*>(payload)->values);
    lengths.push_back(rows.back().size(0));
    if (rows.back().size(1) != rows.front().size(1)) {
      throw core::Error(
          core::ErrorKind::kInvalidInput,
          "rows of one batch differ in size: " + std::to_string(rows.front().size(1)) + " and " +
              std::to_string(rows.back().size(1)));
    }
  }
  at::Tensor values;
  if (count == 1) {
    values = rows.front().unsqueeze(0).to(device);
  } else {
    const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
    values = at::zeros({count, longest, rows.front().size(1)}, at::kFloat);
    for (std::int64_t i = 0; i < count; ++i) values[i].narrow(0, 0, lengths[i]).copy_(rows[i]);
    values = values.to(device);
  }

  std::vector<at::Tensor> outputs =
      program_->Run({values, at::tensor(lengths, at::TensorOptions(at::kLong)).to(device)});
  for (at::Tensor& output : outputs) {
    output = output.to(at::kCPU);
    if (output.dim() == 0 || output.size(0) != count) {
      throw core::Error(core::ErrorKind::kInternal,
                        "the program's outputs must have the batch as their first dimension");
    }
  }
  at::Tensor cut;
  if (outputs.size() > 1 && outputs.back().dim() == 1 &&
      outputs.back().scalar_type() == at::kLong) {
    cut = outputs.back();
    outputs.pop_back();
  }
  std::vector<std::shared_ptr<const core::Result>> results;
  for (std::int64_t i = 0; i < count; ++i) {
    auto result = std::make_shared<TensorResult>();
    for (const at::Tensor& output : outputs) {
      // Rows are copied: a view would keep the whole batch alive as long as one result lives.
      at::Tensor row = output[i];
      if (cut.defined()) row = row.narrow(0, 0, cut[i].item<std::int64_t>());
      result->outputs.push_back(count == 1 ? row.contiguous() : row.clone());
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace safeasr::runtime
