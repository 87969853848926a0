#include "asr/sense_voice_runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ctc_greedy.h"
#include "runtime/stream_context.h"

namespace safeasr::asr {
namespace {

using Utterances = std::vector<const SenseVoiceUtterance*>;

std::vector<at::Tensor> RunProgram(const runtime::Program& program, const Features& features,
                                   const Utterances& batch, at::Device device) {
  const auto count = static_cast<std::int64_t>(batch.size());
  at::Tensor queries = at::empty({count, kSenseVoiceQueries}, at::kLong);
  at::Tensor banned = at::empty({count}, at::kBool), wanted = at::empty({count}, at::kBool);
  for (std::int64_t i = 0; i < count; ++i) {
    const SenseVoiceUtterance& one = *batch[static_cast<std::size_t>(i)];
    std::copy(one.queries.begin(), one.queries.end(),
              queries.data_ptr<std::int64_t>() + i * kSenseVoiceQueries);
    banned.data_ptr<bool>()[i] = one.ban_unknown_emotion;
    wanted.data_ptr<bool>()[i] = one.want_alignment;
  }
  const at::Tensor lengths = at::tensor(features.lengths, at::TensorOptions(at::kLong));
  return program.Run({features.values, lengths.to(device), queries.to(device), banned.to(device),
                      wanted.to(device)});
}

// Splits what the program says of all rows by utterance.
std::vector<std::shared_ptr<const core::Result>> Decode(const at::Tensor& ids,
                                                        const at::Tensor& log_probs,
                                                        const Features& features,
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

std::vector<CtcSpan> CtcEmission::Align(const std::vector<std::int64_t>& targets) const {
  return CtcAlign({log_probs_.data_ptr<float>(), static_cast<std::size_t>(log_probs_.size(0)),
                   static_cast<std::size_t>(log_probs_.size(1))},
                  targets, blank_);
}

std::vector<std::shared_ptr<const core::Result>> SenseVoiceRunner::Run(
    core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  Utterances utterances;
  std::vector<const Utterance*> inputs;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const SenseVoiceUtterance*>(payload));
    inputs.push_back(utterances.back());
  }
  const Features features = BatchFeatures(*frontend_, inputs, device);
  const auto found = RunProgram(*program_, features, utterances, device);
  return Decode(found[0].to(at::kCPU).contiguous(), found[1].to(at::kCPU).contiguous(), features,
                utterances, blank_);
}

}  // namespace safeasr::asr
