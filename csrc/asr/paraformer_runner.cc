#include "asr/paraformer_runner.h"

#include <ATen/ATen.h>

#include <utility>

#include "asr/ragged_batch.h"
#include "runtime/stream_context.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kTokenStep = 8;  // as RowStep, for tokens

// What CIF fired for all utterances, one below the other.
at::Tensor Embeddings(const std::vector<CifFiring>& firings) {
  std::vector<at::Tensor> parts;
  for (const CifFiring& firing : firings) parts.push_back(firing.embeddings);
  return at::cat(parts);
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> ParaformerRunner::Run(
    core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  std::vector<const Utterance*> utterances;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const Utterance*>(payload));
  }

  const FeatureRows features = BatchFeatures(*frontend_, utterances, device);
  const std::vector<std::int64_t> offsets = Offsets(features.lengths);
  const at::Tensor row_offsets = Numbers(offsets);
  const at::Tensor rows = PadRows(features.values, RowStep(offsets.back()));
  const auto encoded = encoder_->Run(
      {rows, Positions(features.lengths, rows.size(0)).to(device), row_offsets,
       Neighbours(features.lengths, rows.size(0), cif_span_.left, cif_span_.right).to(device)});
  const at::Tensor hidden_cpu = encoded[0].to(at::kCPU), alphas_cpu = encoded[1].to(at::kCPU);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  std::vector<CifFiring> firings;
  std::vector<std::int64_t> token_counts;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    const std::int64_t frames = features.lengths[i];
    firings.push_back(IntegrateAndFire(hidden_cpu.narrow(0, offsets[i], frames),
                                       alphas_cpu.narrow(0, offsets[i], frames), cif_));
    token_counts.push_back(firings.back().tokens);
    auto transcript = std::make_shared<Transcript>();
    transcript->frames = frames;
    if (utterances[i]->want_alignment) {
      transcript->alphas = std::move(firings.back().alphas);
      transcript->peaks = std::move(firings.back().peaks);
    }
    transcripts.push_back(std::move(transcript));
  }

  const std::vector<std::int64_t> token_offsets = Offsets(token_counts);
  if (token_offsets.back() > 0) {
    const auto decoded = decoder_->Run({PadRows(Embeddings(firings), kTokenStep).to(device),
                                        Numbers(token_offsets), encoded[0], row_offsets});
    const at::Tensor ids = decoded[0].to(at::kCPU).contiguous();
    for (std::size_t i = 0; i < transcripts.size(); ++i) {
      const std::int64_t* first = ids.data_ptr<std::int64_t>() + token_offsets[i];
      transcripts[i]->tokens.assign(first, first + token_counts[i]);
    }
  }
  return {transcripts.begin(), transcripts.end()};
}

}  // namespace safeasr::asr
