#include "asr/paraformer_runner.h"

#include <ATen/ATen.h>

#include <utility>

#include "asr/decode/upsampled_cif.h"
#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

// What CIF fired for all utterances, one below the other.
struct Firings {
  std::vector<CifFiring> each;
  at::Tensor embeddings;  // (tokens, size) where hidden is
  at::Tensor upsampled;   // (rows * steps) weights on the CPU, if there are any
};

// encoded: hidden (rows, size), alphas (rows) and perhaps the upsampled head's, of all utterances.
// On the CPU the embeddings are FunASR's down to the order of rounding; elsewhere only the weights
// are looked at on the host.
Firings Fire(runtime::DeviceContext& context, const std::vector<at::Tensor>& encoded,
             const FeatureRows& features, const std::vector<std::int64_t>& offsets,
             const CifConfig& config) {
  const at::Tensor& hidden = encoded[0];
  const bool on_device = runtime::TakesTensorOpPath(hidden.device());
  const std::vector<at::Tensor> weights = context.Download({encoded.begin() + 1, encoded.end()});
  Firings fired;
  if (weights.size() > 1) fired.upsampled = weights[1];
  WeightedRows sums;
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < features.lengths.size(); ++i) {
    const std::int64_t frames = features.lengths[i];
    const at::Tensor own = weights[0].narrow(0, offsets[i], frames);
    if (on_device) {
      fired.each.push_back(FindFires(own, config));
      AddTokenSums(fired.each.back(), frames, offsets[i], &sums);
    } else {
      fired.each.push_back(IntegrateAndFire(hidden.narrow(0, offsets[i], frames), own, config));
      parts.push_back(fired.each.back().embeddings);
    }
  }
  fired.embeddings = on_device ? SumRows(hidden, sums) : at::cat(parts);
  return fired;
}

// What the times of an utterance are made from.
void KeepAlignment(CifFiring* firing, const at::Tensor& upsampled, Transcript* transcript) {
  if (!upsampled.defined()) {
    transcript->alphas = std::move(firing->alphas);
    transcript->peaks = std::move(firing->peaks);
  } else if (firing->tokens > 0) {
    UpsampledSums sums = IntegrateUpsampled(upsampled, firing->tokens);
    transcript->alphas = std::move(sums.alphas);
    transcript->peaks = std::move(sums.peaks);
  }
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
  const CifSpan span = predictor_.span;
  const std::int64_t count = rows.size(0), upsampled = predictor_.upsampled;
  const auto encoded =
      encoder_->Run({rows, stream.Upload(Positions(features.lengths, count)), row_offsets,
                     stream.Upload(Neighbours(features.lengths, count, span.left, span.right))});
  std::vector<runtime::ExpectedOutput> expected = {
      {"hidden", at::kFloat, {count, runtime::kAnySize}}, {"weights", at::kFloat, {count}}};
  if (upsampled > 0) {
    expected.push_back({"upsampled weights", at::kFloat, {count * upsampled}});
  }
  runtime::CheckOutputs("encoder", encoded, expected);
  Firings firings = Fire(stream, encoded, features, offsets, predictor_.cif);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  std::vector<std::int64_t> token_counts;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    token_counts.push_back(firings.each[i].tokens);
    auto transcript = std::make_shared<Transcript>();
    transcript->frames = features.lengths[i];
    if (utterances[i]->want_alignment) {
      const at::Tensor own = upsampled == 0
                                 ? at::Tensor()
                                 : firings.upsampled.narrow(0, offsets[i] * upsampled,
                                                            features.lengths[i] * upsampled);
      KeepAlignment(&firings.each[i], own, transcript.get());
    }
    transcripts.push_back(std::move(transcript));
  }

  const Fired fired{utterances, Offsets(token_counts),
                    PadRows(firings.embeddings, StepOn(device, kTokenStep)), encoded[0],
                    row_offsets};
  if (fired.offsets.back() > 0) {
    const at::Tensor ids = stream.Download({Decode(stream, fired)})[0];
    for (std::size_t i = 0; i < transcripts.size(); ++i) {
      const std::int64_t* first = ids.data_ptr<std::int64_t>() + fired.offsets[i];
      transcripts[i]->tokens.assign(first, first + token_counts[i]);
    }
  }
  return {transcripts.begin(), transcripts.end()};
}

at::Tensor ParaformerRunner::Decode(runtime::DeviceContext&, const Fired& fired) const {
  const auto decoded =
      decoder_->Run({fired.embeddings, Numbers(fired.offsets), fired.hidden, fired.hidden_offsets});
  runtime::CheckOutputs("decoder", decoded, {{"ids", at::kLong, {fired.embeddings.size(0)}}});
  return decoded[0];
}

}  // namespace safeasr::asr
