#include "asr/families/sense_voice/runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/decode/ctc_greedy.h"
#include "asr/ragged_batch.h"
#include "runtime/device_context.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {
namespace {

using Utterances = std::vector<const SenseVoiceUtterance*>;

std::vector<at::Tensor> RunProgram(const runtime::Program& program, const FeatureRows& features,
                                   const Utterances& batch, const runtime::DeviceContext& context) {
  std::vector<std::int64_t> queries, order, counts;
  for (const SenseVoiceUtterance* one : batch) {
    queries.insert(queries.end(), one->queries.begin(), one->queries.end());
  }
  std::int64_t next_query = 0, next_frame = static_cast<std::int64_t>(queries.size());
  for (const std::int64_t frames : features.lengths) {
    for (std::int64_t q = 0; q < kSenseVoiceQueries; ++q) order.push_back(next_query++);
    for (std::int64_t t = 0; t < frames; ++t) order.push_back(next_frame++);
    counts.push_back(kSenseVoiceQueries + frames);
  }
  const std::vector<std::int64_t> offsets = Offsets(counts);
  const std::int64_t rows =
      Padded(offsets.back(), StepOn(context.device(), RowStep(offsets.back())));
  order.resize(static_cast<std::size_t>(rows), 0);

  at::Tensor banned = at::zeros({rows}, at::kBool), wanted = at::zeros({rows}, at::kBool);
  std::int64_t asked = 0;  // rows whose log probabilities are wanted
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i]->want_alignment) asked += features.lengths[i];
    std::fill_n(banned.data_ptr<bool>() + offsets[i], counts[i], batch[i]->ban_unknown_emotion);
    std::fill_n(wanted.data_ptr<bool>() + offsets[i] + kSenseVoiceQueries, features.lengths[i],
                batch[i]->want_alignment);
  }
  // banned and wanted stay here: the program asks whether there are any, and would wait for it.
  auto outputs = program.Run(
      {features.values, context.Upload(Numbers(queries)), context.Upload(Numbers(order)),
       context.Upload(Positions(counts, rows)), Numbers(offsets), banned, wanted});
  runtime::CheckOutputs(
      "network", outputs,
      {{"ids", at::kLong, {rows}}, {"log probabilities", at::kFloat, {asked, runtime::kAnySize}}});
  return outputs;
}

// Splits what the program says of all rows by utterance.
std::vector<std::shared_ptr<const core::Result>> Decode(const at::Tensor& ids,
                                                        const at::Tensor& log_probs,
                                                        const FeatureRows& features,
                                                        const Utterances& batch,
                                                        std::int64_t blank) {
  std::vector<std::shared_ptr<const core::Result>> results;
  std::int64_t row = 0, emitted = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::int64_t frames = features.lengths[i], rows = frames + kSenseVoiceQueries;
    auto transcript = std::make_shared<CtcTranscript>();
    transcript->tokens =
        CtcCollapse(ids.data_ptr<std::int64_t>() + row, static_cast<std::size_t>(rows), blank);
    row += rows;
    if (batch[i]->want_alignment) {
      // A view: the scores are large, and those who asked for them read theirs soon.
      transcript->emission =
          std::make_shared<const CtcEmission>(log_probs.narrow(0, emitted, frames), blank);
      emitted += frames;
    }
    results.push_back(std::move(transcript));
  }
  return results;
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> SenseVoiceRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  Utterances utterances;
  std::vector<const Utterance*> inputs;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const SenseVoiceUtterance*>(payload));
    inputs.push_back(utterances.back());
  }
  const FeatureRows features = BatchFeatures(frontend_.get(), inputs, stream.device());
  const auto found = stream.Download(RunProgram(*program_, features, utterances, stream));
  return Decode(found[0], found[1], features, utterances, blank_);
}

}  // namespace safeasr::asr
