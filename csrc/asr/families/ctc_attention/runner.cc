#include "asr/families/ctc_attention/runner.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

using BeamUtterances = std::vector<BeamUtterance*>;

// What a search has on another device is of no use here: it begins anew, with the same result.
bool GoesOnHere(const BeamUtterance& utterance, at::Device device) {
  return utterance.progress && utterance.progress->sound.device() == device;
}

// Spans of caches that are read from the first row to the last, and written nowhere.
at::Tensor WholeSpans(const std::vector<at::Tensor>& memories, bool on_device) {
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < memories.size(); ++i) {
    const std::int64_t rows = memories[i].size(2);
    numbers.insert(numbers.end(), {0, rows, 0});
    if (on_device) numbers.insert(numbers.end(), {static_cast<std::int64_t>(i), 0, rows});
  }
  return Numbers(numbers).view({static_cast<std::int64_t>(memories.size()), -1});
}

std::shared_ptr<const core::Result> BeamTexts(const BeamUtterance& utterance) {
  auto transcript = std::make_shared<BeamTranscript>();
  transcript->texts = utterance.progress->search.Best(utterance.best);
  return transcript;
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> CtcAttentionRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  BeamUtterances all, fresh;
  for (core::Payload* payload : batch) {
    all.push_back(static_cast<BeamUtterance*>(payload));
    if (!GoesOnHere(*all.back(), stream.device())) fresh.push_back(all.back());
  }
  if (!fresh.empty()) Begin(stream, fresh);
  BeamUtterances going;
  for (BeamUtterance* one : all) {
    if (one->progress && !one->progress->search.done()) going.push_back(one);
  }
  if (!going.empty()) Step(stream, going);
  std::vector<std::shared_ptr<const core::Result>> results;
  for (const BeamUtterance* one : all) {
    if (!one->progress) {
      results.push_back(std::make_shared<BeamTranscript>());  // too short
    } else {
      results.push_back(one->progress->search.done() ? BeamTexts(*one) : Unfinished());
    }
  }
  return results;
}

void CtcAttentionRunner::Begin(runtime::DeviceContext& context, const BeamUtterances& batch) const {
  for (BeamUtterance* one : batch) one->progress.reset();
  std::vector<const Utterance*> inputs(batch.begin(), batch.end());
  const LongEnough given =
      FeaturesOfLongEnough(model_.shape, model_.frontend.get(), inputs, context.device());
  if (given.places.empty()) return;
  BeamUtterances begun;
  for (const std::size_t place : given.places) begun.push_back(batch[place]);

  const SubsampledBatch rows = Subsampled(model_.shape, given.features, context);
  const std::vector<at::Tensor> encoded = model_.encoder->Run(rows.inputs);
  const auto classes = static_cast<std::int64_t>(model_.tokens.count);
  const bool has_ctc = !encoded.empty() && encoded[0].dim() == 2 && encoded[0].size(1) > 0;
  const auto kind = encoded.size() > 1 ? encoded[1].scalar_type() : at::kFloat;
  runtime::CheckOutputs("encoder", encoded,
                        {{"log probabilities", at::kFloat, {rows.rows, has_ctc ? classes : 0}},
                         {"memory", kind, {runtime::kAnySize, 2, rows.rows, runtime::kAnySize}}});
  const at::Tensor log_probs = context.Download({encoded[0]})[0];
  std::vector<std::unique_ptr<BeamProgress>> made;
  for (std::size_t i = 0; i < begun.size(); ++i) {
    // Copies: views would keep the whole batch alive as long as one search lasts.
    at::Tensor own = log_probs.narrow(0, rows.offsets[i], rows.lengths[i]).clone();
    at::Tensor sound = encoded[1].narrow(2, rows.offsets[i], rows.lengths[i]).contiguous().clone();
    const auto frames = static_cast<std::size_t>(rows.lengths[i]);
    std::optional<CtcScores> ctc;
    if (has_ctc) ctc = CtcScores{own.data_ptr<float>(), frames, model_.tokens.count};
    BeamMemory memory = model_.decoder ? BeamMemory(model_.memory, sound) : BeamMemory();
    made.push_back(std::make_unique<BeamProgress>(
        BeamProgress{std::move(own),
                     std::move(sound),
                     BeamSearch(ctc, frames, model_.tokens, begun[i]->options),
                     std::move(memory),
                     {}}));
  }
  for (std::size_t i = 0; i < begun.size(); ++i) begun[i]->progress = std::move(made[i]);
}

at::Tensor CtcAttentionRunner::Decode(runtime::DeviceContext& context,
                                      const BeamUtterances& batch) const {
  const bool on_device = runtime::TakesTensorOpPath(context.device());
  std::vector<std::int64_t> tokens, numbers, counts;
  std::vector<at::Tensor> memories;
  RememberedTokens remembered;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const BeamProgress& own = *batch[i]->progress;
    own.memory.AddTo(static_cast<std::int64_t>(i), &remembered);
    memories.push_back(own.sound);
    counts.push_back(static_cast<std::int64_t>(own.search.running()));
    for (std::size_t h = 0; h < own.search.running(); ++h) {
      tokens.push_back(own.search.last_token(h));
      numbers.push_back(static_cast<std::int64_t>(own.search.steps()));
    }
  }
  const auto hypotheses = static_cast<std::int64_t>(tokens.size());
  const auto padded =
      static_cast<std::size_t>(Padded(hypotheses, StepOn(context.device(), kTokenStep)));
  tokens.resize(padded, model_.tokens.sos);
  numbers.resize(padded, 0);
  const std::vector<std::int64_t> ones(static_cast<std::size_t>(hypotheses), 1);
  std::vector<runtime::ProgramInput> inputs{context.Upload(Numbers(tokens)),
                                            context.Upload(Numbers(numbers).to(at::kFloat)),
                                            Numbers(Offsets(ones))};
  if (model_.memory.layers > 0) {
    inputs.insert(inputs.end(), {remembered.past, remembered.next});
  } else {
    inputs.emplace_back(remembered.caches);
    inputs.emplace_back(Numbers(remembered.spans).view({hypotheses, -1}));
  }
  inputs.insert(inputs.end(),
                {Numbers(Offsets(counts)), memories, WholeSpans(memories, on_device)});
  const auto scores = model_.decoder->Run(inputs);
  runtime::CheckOutputs(
      "decoder", scores,
      {{"log probabilities",
        at::kFloat,
        {static_cast<std::int64_t>(padded), static_cast<std::int64_t>(model_.tokens.count)}}});
  return context.Download({scores[0]})[0];
}

void CtcAttentionRunner::Step(runtime::DeviceContext& context, const BeamUtterances& batch) const {
  BeamUtterances decoded;
  std::vector<std::int64_t> counts;
  for (BeamUtterance* one : batch) {
    if (!one->progress->search.uses_decoder()) continue;
    decoded.push_back(one);
    counts.push_back(static_cast<std::int64_t>(one->progress->search.running()));
  }
  const at::Tensor scores = decoded.empty() ? at::Tensor() : Decode(context, decoded);
  const std::vector<std::int64_t> offsets = Offsets(counts);
  std::vector<const float*> rows(batch.size(), nullptr);
  for (std::size_t i = 0, next = 0; i < batch.size(); ++i) {
    if (!batch[i]->progress->search.uses_decoder()) continue;
    rows[i] = scores.data_ptr<float>() + offsets[next++] * scores.stride(0);
  }
  std::vector<BeamSearch::Step> steps(batch.size());
  at::parallel_for(0, static_cast<std::int64_t>(batch.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       steps[i] = batch[i]->progress->search.Try(rows[i]);
                     }
                   });
  std::vector<BeamMemory> memories(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const BeamProgress& own = *batch[i]->progress;
    if (rows[i] != nullptr && !steps[i].parents.empty()) {
      memories[i] = own.memory.After(steps[i].parents);
    }
  }
  // From here on nothing fails.
  for (std::size_t i = 0; i < batch.size(); ++i) {
    BeamProgress& own = *batch[i]->progress;
    own.search.Take(std::move(steps[i]));
    own.former = std::move(own.memory);
    own.memory = std::move(memories[i]);
  }
}

}  // namespace safeasr::asr
