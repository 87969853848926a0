#include "asr/ragged_runner.h"

#include <ATen/ATen.h>

#include <stdexcept>
#include <utility>

#include "asr/ragged_batch.h"
#include "core/errors.h"
#include "runtime/device_context.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {
namespace {

bool ReadableByPython(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kLong || type == at::kInt ||
         type == at::kBool;
}

}  // namespace

struct RaggedRunner::Rows {
  at::Tensor values;                  // (rows, size) or (rows)
  std::vector<std::int64_t> lengths;  // of each request
};

RaggedRunner::RaggedRunner(std::shared_ptr<const runtime::Program> program, RaggedInput input,
                           std::optional<RaggedSpan> neighbours, std::vector<RaggedOutput> outputs,
                           core::BatchLimits limits)
    : Runner(limits),
      program_(std::move(program)),
      input_(std::move(input)),
      neighbours_(neighbours),
      outputs_(std::move(outputs)) {
  if (input_.frontend && input_.feature_size) {
    throw std::invalid_argument("a frontend says the size of its features: give one of both");
  }
  if (neighbours_ && (neighbours_->left < 0 || neighbours_->right < 0)) {
    throw std::invalid_argument("neighbours: expected numbers of rows, got a negative one");
  }
  if (outputs_.empty()) throw std::invalid_argument("a program without outputs is of no use");
}

RaggedRunner::Rows RaggedRunner::Stack(const std::vector<core::Payload*>& batch,
                                       at::Device device) const {
  Rows rows;
  if (input_.frontend || input_.feature_size) {
    std::vector<const Utterance*> utterances;
    for (core::Payload* payload : batch) utterances.push_back(static_cast<Utterance*>(payload));
    FeatureRows features = BatchFeatures(input_.frontend.get(), utterances, device);
    rows = {std::move(features.values), std::move(features.lengths)};
  } else {
    std::vector<at::Tensor> ids;
    for (core::Payload* payload : batch) {
      ids.push_back(static_cast<RaggedRequest*>(payload)->ids);
      rows.lengths.push_back(ids.back().size(0));
    }
    rows.values = ids.size() == 1 ? ids.front() : at::cat(ids);
  }
  for (const std::int64_t length : rows.lengths) {
    if (length < 1) throw core::Error(core::ErrorKind::kInvalidInput, "the input is empty");
  }
  const std::int64_t count = rows.values.size(0);
  const std::int64_t missing = Padded(count, StepOn(device, RowStep(count))) - count;
  if (missing > 0) {
    rows.values = at::constant_pad_nd(
        rows.values, rows.values.dim() == 1 ? std::vector<std::int64_t>{0, missing}
                                            : std::vector<std::int64_t>{0, 0, 0, missing});
  }
  return rows;
}

void RaggedRunner::Check(const std::vector<at::Tensor>& outputs, std::int64_t requests,
                         std::int64_t rows) const {
  bool good = outputs.size() == outputs_.size();
  std::string expected;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::int64_t count = outputs_[i] == RaggedOutput::kRows ? rows : requests;
    good = good && ReadableByPython(outputs[i].scalar_type()) && outputs[i].dim() > 0 &&
           outputs[i].size(0) == count;
    if (i > 0) expected += ", ";
    expected += "(" + std::to_string(count) + ", ...)";
  }
  if (!good) {
    runtime::RefuseOutputs("network", outputs,
                           expected + " of float32, float64, int64, int32 or bool");
  }
}

std::vector<std::shared_ptr<const core::Result>> RaggedRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  const Rows rows = Stack(batch, stream.device());
  const std::int64_t count = rows.values.size(0);
  const std::vector<std::int64_t> offsets = Offsets(rows.lengths);
  std::vector<runtime::ProgramInput> inputs{
      stream.Upload(rows.values), stream.Upload(Positions(rows.lengths, count)), Numbers(offsets)};
  if (neighbours_) {
    inputs.emplace_back(
        stream.Upload(Neighbours(rows.lengths, count, neighbours_->left, neighbours_->right)));
  }
  const std::vector<at::Tensor> given = program_->Run(inputs);
  Check(given, static_cast<std::int64_t>(batch.size()), count);
  const std::vector<at::Tensor> outputs = stream.Download(given);

  std::vector<std::shared_ptr<const core::Result>> results;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto result = std::make_shared<RaggedResult>();
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const auto place = static_cast<std::int64_t>(i);
      const at::Tensor own = outputs_[o] == RaggedOutput::kRows
                                 ? outputs[o].narrow(0, offsets[i], rows.lengths[i])
                                 : outputs[o].select(0, place);
      // A copy: a view would keep the whole batch alive as long as one result lives.
      result->outputs.push_back(batch.size() == 1 ? own : own.clone());
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace safeasr::asr
