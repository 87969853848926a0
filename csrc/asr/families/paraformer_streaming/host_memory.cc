// What streams remember on the host: tensors of their own.
#include <ATen/ATen.h>

#include "asr/families/paraformer_streaming/step_memory.h"
#include "asr/ragged_batch.h"

namespace safeasr::asr {

RingList HostMemory::Rings(const std::vector<StepPart>& parts) const {
  return RingsOf(parts, /*in_slabs=*/false);
}

void HostMemory::ReserveEncoderRing(StreamStep& step, std::int64_t append,
                                    std::int64_t expected) const {
  step.next.encoder.Reserve(append, expected, shapes_.encoder_layers, shapes_.encoder_size,
                            shapes_.CacheOptions(context_.device()));
}

at::Tensor HostMemory::Overlaps(std::vector<StreamStep>& steps) const {
  const auto floats = at::TensorOptions(at::kFloat).device(context_.device());
  std::vector<at::Tensor> past;
  for (const StreamStep& step : steps) {
    past.push_back(step.next.overlap.defined()
                       ? step.next.overlap
                       : at::zeros({step.overlap(), feature_size_}, floats));
    // FunASR scales these rows again, in place, where it takes them for features.
    if (step.tail) past.back() = past.back() * shapes_.feature_scale;
  }
  return at::cat(past);
}

void HostMemory::KeepOverlaps(std::vector<StreamStep>& steps, const at::Tensor& embedded) const {
  for (StreamStep& step : steps) {
    const std::int64_t first = step.first_row + step.rows - step.overlap();
    // A copy: a view would keep the rows of all streams.
    step.next.overlap = embedded.narrow(0, first, step.overlap()).clone();
  }
}

void HostMemory::Integrate(std::vector<StreamStep>& steps, const at::Tensor& weights,
                           EncodedSteps* encoded) const {
  const std::int64_t size = encoded->hidden.size(1);
  const std::vector<at::Tensor> host = context_.Download({weights, encoded->hidden});
  const std::vector<CifChunk> chunks = Chunks(steps, host[0], host[1].data_ptr<float>(), size);
  std::vector<float> embeddings;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CifTokens& tokens = steps[i].tokens;
    tokens = IntegrateChunk(steps[i].next.cif, chunks[i]);
    embeddings.insert(embeddings.end(), tokens.embeddings.begin(), tokens.embeddings.end());
    steps[i].next.cif = std::move(tokens.carry);
  }
  encoded->embeddings = at::tensor(embeddings, at::kFloat).view({-1, size});
}

void HostMemory::ReserveDecoder(StreamStep& step, std::int64_t append,
                                std::int64_t expected) const {
  step.next.decoder.Reserve(append, expected, shapes_.decoder_layers, shapes_.encoder_size,
                            shapes_.CacheOptions(context_.device()));
}

at::Tensor HostMemory::SelectRows(const std::vector<StreamStep*>& steps, const at::Tensor& rows,
                                  std::int64_t /*room: for graphs*/) const {
  std::vector<at::Tensor> parts;
  for (const StreamStep* step : steps) parts.push_back(rows.narrow(0, step->first_row, step->rows));
  return PadRows(at::cat(parts), kStepRows);
}

StepMemory::Memories HostMemory::DecoderMemories(const std::vector<StreamStep*>& steps) const {
  const std::vector<std::int64_t> shape{shapes_.decoder_layers, kept_rows(), shapes_.encoder_size};
  const auto floats = at::TensorOptions(at::kFloat).device(context_.device());
  Memories memories;
  for (const StreamStep* step : steps) {
    const at::Tensor& past = step->next.memory;
    memories.past.push_back(past.defined() ? past : at::zeros(shape, floats));
    memories.next.push_back(at::empty(shape, floats));
  }
  return memories;
}

void HostMemory::KeepMemories(const std::vector<StreamStep*>& steps,
                              const std::vector<at::Tensor>& written) const {
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i]->next.memory = written[i];
}

}  // namespace safeasr::asr
