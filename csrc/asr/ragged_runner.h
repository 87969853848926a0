// RaggedRunner: rows of many requests -> one program -> rows, or a vector of each request. For
// families that need no C++ of their own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "core/runner.h"
#include "core/ticket.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Samples or features, as an utterance has them; or ids.
struct RaggedRequest : Utterance {
  at::Tensor ids;  // (n) int64 on the CPU
};

struct RaggedResult : core::Result {
  std::vector<at::Tensor> outputs;  // on the CPU, of this request alone
};

// What a request brings.
struct RaggedInput {
  std::shared_ptr<const Frontend> frontend;  // takes samples, or features as it gives them; or
  std::optional<std::int64_t> feature_size;  // features (frames, size); or none of both: ids
};

// What an output of a program has for each request.
enum class RaggedOutput {
  kRows,        // a row for each of its rows: (rows, ...)
  kUtterances,  // one row: (requests, ...)
};

// Rows before and after a row whose numbers a program is given; see Neighbours.
struct RaggedSpan {
  std::int64_t left = 0, right = 0;
};

class RaggedRunner : public core::Runner {
 public:
  // program: (rows, positions (rows) float32, offsets (B + 1) int64 on the CPU[, neighbours (rows,
  // left + 1 + right) int64]) -> tensors, or one, as `outputs` says: float32, float64, int64, int32
  // or bool. The rows are features (rows, size) float32 or ids (rows) int64, of all requests one
  // below the other; rows behind the last offset are padding, and what comes of them is dropped.
  // Throws std::invalid_argument for a frontend and a size at a time, and for no outputs.
  RaggedRunner(std::shared_ptr<const runtime::Program> program, RaggedInput input,
               std::optional<RaggedSpan> neighbours, std::vector<RaggedOutput> outputs,
               core::BatchLimits limits);

  // Payloads are RaggedRequests, results RaggedResults. What a request gets does not depend on its
  // company, if the program's operators do not look beyond offsets.
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

  const RaggedInput& input() const { return input_; }

 private:
  // Rows of a batch, one below the other on the device.
  struct Rows;
  Rows Stack(const std::vector<core::Payload*>& batch, at::Device device) const;
  void Check(const std::vector<at::Tensor>& outputs, std::int64_t requests,
             std::int64_t rows) const;

  const std::shared_ptr<const runtime::Program> program_;
  const RaggedInput input_;
  const std::optional<RaggedSpan> neighbours_;
  const std::vector<RaggedOutput> outputs_;
};

}  // namespace safeasr::asr
