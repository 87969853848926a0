#include "asr/families/paraformer/runner.h"

#include <ATen/ATen.h>

#include <utility>

#include "asr/ragged_batch.h"
#include "runtime/device_context.h"
#include "runtime/program_outputs.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kTokenStep = 8;  // as RowStep, for tokens

// What CIF fired for all utterances, one below the other.
struct Fired {
  std::vector<CifFiring> firings;
  at::Tensor embeddings;  // (tokens, size) where hidden is
};

// hidden: (rows, size), alphas: (rows), of all utterances. On the CPU the embeddings are FunASR's
// down to the order of rounding; elsewhere only the weights are looked at on the host.
Fired Fire(runtime::DeviceContext& context, const at::Tensor& hidden, const at::Tensor& alphas,
           const FeatureRows& features, const std::vector<std::int64_t>& offsets,
           const CifConfig& config) {
  const bool on_device = runtime::TakesTensorOpPath(hidden.device());
  const at::Tensor weights = context.Download({alphas})[0];
  Fired fired;
  WeightedRows sums;
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < features.lengths.size(); ++i) {
    const std::int64_t frames = features.lengths[i];
    const at::Tensor own = weights.narrow(0, offsets[i], frames);
    if (on_device) {
      fired.firings.push_back(FindFires(own, config));
      AddTokenSums(fired.firings.back(), frames, offsets[i], &sums);
    } else {
      fired.firings.push_back(IntegrateAndFire(hidden.narrow(0, offsets[i], frames), own, config));
      parts.push_back(fired.firings.back().embeddings);
    }
  }
  fired.embeddings = on_device ? SumRows(hidden, sums) : at::cat(parts);
  return fired;
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> ParaformerRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  const at::Device device = stream.device();
  std::vector<const Utterance*> utterances;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const Utterance*>(payload));
  }

  const FeatureRows features = BatchFeatures(frontend_.get(), utterances, device);
  const std::vector<std::int64_t> offsets = Offsets(features.lengths);
  const at::Tensor row_offsets = Numbers(offsets);
  const at::Tensor rows = PadRows(features.values, StepOn(device, RowStep(offsets.back())));
  const auto encoded = encoder_->Run(
      {rows, stream.Upload(Positions(features.lengths, rows.size(0))), row_offsets,
       stream.Upload(Neighbours(features.lengths, rows.size(0), cif_span_.left, cif_span_.right))});
  runtime::CheckOutputs("encoder", encoded,
                        {{"hidden", at::kFloat, {rows.size(0), runtime::kAnySize}},
                         {"weights", at::kFloat, {rows.size(0)}}});
  Fired fired = Fire(stream, encoded[0], encoded[1], features, offsets, cif_);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  std::vector<std::int64_t> token_counts;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    token_counts.push_back(fired.firings[i].tokens);
    auto transcript = std::make_shared<Transcript>();
    transcript->frames = features.lengths[i];
    if (utterances[i]->want_alignment) {
      transcript->alphas = std::move(fired.firings[i].alphas);
      transcript->peaks = std::move(fired.firings[i].peaks);
    }
    transcripts.push_back(std::move(transcript));
  }

  const std::vector<std::int64_t> token_offsets = Offsets(token_counts);
  if (token_offsets.back() > 0) {
    const at::Tensor embeddings = PadRows(fired.embeddings, StepOn(device, kTokenStep));
    const auto decoded =
        decoder_->Run({embeddings, Numbers(token_offsets), encoded[0], row_offsets});
    runtime::CheckOutputs("decoder", decoded, {{"ids", at::kLong, {embeddings.size(0)}}});
    const at::Tensor ids = stream.Download({decoded[0]})[0];
    for (std::size_t i = 0; i < transcripts.size(); ++i) {
      const std::int64_t* first = ids.data_ptr<std::int64_t>() + token_offsets[i];
      transcripts[i]->tokens.assign(first, first + token_counts[i]);
    }
  }
  return {transcripts.begin(), transcripts.end()};
}

}  // namespace safeasr::asr
