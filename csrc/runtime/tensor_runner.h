// TensorRunner: any program that maps a batch of (time, size) arrays to tensors, served by the
// engine. For embedding networks of one's own, and for measuring the engine by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "core/runner.h"
#include "runtime/program.h"

namespace safeasr::runtime {

struct TensorPayload : core::Payload {
  at::Tensor values;  // (time, size) float32 on the CPU
};

struct TensorResult : core::Result {
  std::vector<at::Tensor> outputs;  // this request's row of each output, on the CPU
};

class TensorRunner : public core::Runner {
 public:
  // program: (values (B, T, size), lengths (B) int64) -> tensors whose first dimension is B. When
  // the last of several is an int64 (B), rows of the others are cut to it along their first
  // dimension.
  TensorRunner(std::shared_ptr<const Program> program, core::BatchLimits limits)
      : Runner(limits), program_(std::move(program)) {}

  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

 private:
  const std::shared_ptr<const Program> program_;
};

}  // namespace safeasr::runtime
