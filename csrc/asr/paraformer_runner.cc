#include "asr/paraformer_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "runtime/stream_context.h"

namespace safeasr::asr {
namespace {

at::Tensor LengthTensor(const std::vector<std::int64_t>& lengths, at::Device device) {
  return at::tensor(lengths, at::TensorOptions(at::kLong)).to(device);
}

// What the decoder gets for the utterances in which CIF found tokens at all.
struct DecoderInput {
  at::Tensor hidden, lengths, embeddings, token_lengths;
};

DecoderInput Gather(const at::Tensor& hidden, const std::vector<std::int64_t>& lengths,
                    const std::vector<CifFiring>& firings, const std::vector<std::int64_t>& rows) {
  const at::Device device = hidden.device();
  std::vector<std::int64_t> frames, tokens;
  for (const std::int64_t row : rows) {
    frames.push_back(lengths[row]);
    tokens.push_back(firings[row].tokens);
  }
  const std::int64_t longest = *std::max_element(frames.begin(), frames.end());
  const std::int64_t most = *std::max_element(tokens.begin(), tokens.end());
  at::Tensor embeddings =
      at::zeros({static_cast<std::int64_t>(rows.size()), most, hidden.size(2)}, at::kFloat);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    embeddings[static_cast<std::int64_t>(i)]
        .narrow(0, 0, tokens[i])
        .copy_(firings[rows[i]].embeddings);
  }
  const bool all = static_cast<std::int64_t>(rows.size()) == hidden.size(0);
  const at::Tensor kept = all ? hidden : hidden.index_select(0, LengthTensor(rows, device));
  return {kept.narrow(1, 0, longest), LengthTensor(frames, device), embeddings.to(device),
          LengthTensor(tokens, device)};
}

}  // namespace

std::vector<std::shared_ptr<const core::Result>> ParaformerRunner::Run(
    core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  std::vector<const Utterance*> utterances;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const Utterance*>(payload));
  }

  const Features features = BatchFeatures(*frontend_, utterances, device);
  const auto encoded = encoder_->Run({features.values, LengthTensor(features.lengths, device)});
  const at::Tensor hidden_cpu = encoded[0].to(at::kCPU), alphas_cpu = encoded[1].to(at::kCPU);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  std::vector<CifFiring> firings;
  std::vector<std::int64_t> with_tokens;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i), frames = features.lengths[i];
    firings.push_back(IntegrateAndFire(hidden_cpu[row].narrow(0, 0, frames),
                                       alphas_cpu[row].narrow(0, 0, frames), cif_));
    auto transcript = std::make_shared<Transcript>();
    transcript->frames = frames;
    if (utterances[i]->want_alignment) {
      transcript->alphas = std::move(firings.back().alphas);
      transcript->peaks = std::move(firings.back().peaks);
    }
    transcripts.push_back(std::move(transcript));
    if (firings.back().tokens > 0) with_tokens.push_back(row);
  }

  if (!with_tokens.empty()) {
    const DecoderInput input = Gather(encoded[0], features.lengths, firings, with_tokens);
    const auto decoded =
        decoder_->Run({input.hidden, input.lengths, input.embeddings, input.token_lengths});
    const at::Tensor ids = decoded[0].to(at::kCPU).contiguous();
    for (std::size_t i = 0; i < with_tokens.size(); ++i) {
      const std::int64_t row = with_tokens[i];
      const std::int64_t* first =
          ids.data_ptr<std::int64_t>() + static_cast<std::int64_t>(i) * ids.size(1);
      transcripts[row]->tokens.assign(first, first + firings[row].tokens);
    }
  }
  return {transcripts.begin(), transcripts.end()};
}

}  // namespace safeasr::asr
