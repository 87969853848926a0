// What streams remember on a device: rows of slabs.
#include <ATen/ATen.h>

#include <cstring>

#include "asr/families/paraformer_streaming/step_memory.h"
#include "asr/ragged_batch.h"

namespace safeasr::asr {

RingList SlabMemory::Rings(const std::vector<StepPart>& parts) const {
  return RingsOf(parts, /*in_slabs=*/true);
}

void SlabMemory::ReserveEncoderRing(StreamStep& step, std::int64_t append,
                                    std::int64_t expected) const {
  KvRing& ring = step.next.encoder;
  if (step.options().encoder_look_back >= 0) {
    ring.Reserve(append, expected, *slabs_.encoder, context_.device());
  } else {  // it looks back without end: see KvRing
    ring.Reserve(append, expected, shapes_.encoder_layers, shapes_.encoder_size,
                 shapes_.CacheOptions(context_.device()));
  }
}

at::Tensor SlabMemory::Overlaps(std::vector<StreamStep>& steps) const {
  std::vector<const SlabRows*> streams;
  std::vector<float> scales;
  bool any_tail = false;
  for (StreamStep& step : steps) {
    step.next.overlap_rows.Reserve(*slabs_.overlaps, step.overlap(), context_.device());
    streams.push_back(&step.next.overlap_rows);
    // FunASR scales these rows again, in place, where it takes them for features.
    scales.insert(scales.end(), static_cast<std::size_t>(step.overlap()),
                  step.tail ? static_cast<float>(shapes_.feature_scale) : 1.0f);
    any_tail = any_tail || step.tail;
  }
  const at::Tensor past = ReadSlabRows(streams);
  if (!any_tail) return past;
  return past * context_.Upload(at::tensor(scales, at::kFloat)).unsqueeze(1);
}

void SlabMemory::KeepOverlaps(std::vector<StreamStep>& steps, const at::Tensor& embedded) const {
  std::vector<SlabRows*> streams;
  std::vector<std::int64_t> first;
  for (StreamStep& step : steps) {
    if (step.is_final) continue;  // nobody would read them, and the first half is still in use
    streams.push_back(&step.next.overlap_rows);
    first.push_back(step.first_row + step.rows - step.overlap());
  }
  WriteSlabRows(streams, embedded, first);
}

// By the same weights as on the host; the hidden vectors stay where they are and are summed there.
void SlabMemory::Integrate(std::vector<StreamStep>& steps, const at::Tensor& weights,
                           EncodedSteps* encoded) const {
  const std::int64_t rows = encoded->hidden.size(0), size = encoded->hidden.size(1);
  const at::Tensor on_host = context_.Download({weights})[0];
  const std::vector<CifChunk> chunks = Chunks(steps, on_host, nullptr, size);
  const at::Tensor carried = at::zeros({static_cast<std::int64_t>(steps.size()), size}, at::kFloat);
  bool any_carried = false;
  WeightedRows sums;
  std::vector<std::int64_t> token_sums, carry_sums;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    StreamStep& step = steps[i];
    const auto place = static_cast<std::int64_t>(i);
    const CifCarry& carry = step.next.cif;
    if (!carry.hidden.empty()) {
      std::memcpy(carried.data_ptr<float>() + place * size, carry.hidden.data(),
                  static_cast<std::size_t>(size) * sizeof(float));
      any_carried = true;
    }
    float weight = 0;
    auto next_sum = static_cast<std::int64_t>(sums.first.size());
    step.tokens.count =
        AddChunkSums(carry, chunks[i], step.first_row, rows + place, &sums, &weight);
    for (std::int64_t t = 0; t < step.tokens.count; ++t) token_sums.push_back(next_sum++);
    carry_sums.push_back(next_sum);
    step.next.cif.weight = weight;  // its vector comes with the ids
  }
  const at::Tensor found = SumRows(
      any_carried ? at::cat({encoded->hidden, context_.Upload(carried)}) : encoded->hidden, sums);
  encoded->embeddings = found.index_select(0, context_.Upload(Numbers(token_sums)));
  encoded->carries = found.index_select(0, context_.Upload(Numbers(carry_sums)));
}

void SlabMemory::ReserveDecoder(StreamStep& step, std::int64_t append,
                                std::int64_t expected) const {
  step.next.decoder.Reserve(append, expected, *slabs_.decoder, context_.device());
  step.next.memory_rows.Reserve(*slabs_.memories, kept_rows(), context_.device());
}

at::Tensor SlabMemory::SelectRows(const std::vector<StreamStep*>& steps, const at::Tensor& rows,
                                  std::int64_t room) const {
  std::vector<std::int64_t> chosen;
  for (const StreamStep* step : steps) {
    for (std::int64_t t = 0; t < step->rows; ++t) chosen.push_back(step->first_row + t);
  }
  if (room > 0) chosen.resize(static_cast<std::size_t>(room), 0);
  return rows.index_select(0, context_.Upload(Numbers(chosen)));
}

StepMemory::Memories SlabMemory::DecoderMemories(const std::vector<StreamStep*>& steps) const {
  at::Tensor past;
  if (kept_rows() > 0) {
    std::vector<const SlabRows*> streams;
    for (const StreamStep* step : steps) streams.push_back(&step->next.memory_rows);
    past = ReadSlabRows(streams);
  } else {
    past = at::zeros({shapes_.decoder_layers, 0, shapes_.encoder_size},
                     at::TensorOptions(at::kFloat).device(context_.device()));
  }
  return {{past}, {at::empty_like(past)}};
}

void SlabMemory::KeepMemories(const std::vector<StreamStep*>& steps,
                              const std::vector<at::Tensor>& written) const {
  std::vector<SlabRows*> streams;
  std::vector<std::int64_t> first;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i]->is_final) continue;  // nobody would read them, and the first half is in use
    streams.push_back(&steps[i]->next.memory_rows);
    first.push_back(static_cast<std::int64_t>(i) * kept_rows());
  }
  WriteSlabRows(streams, written.front(), first);
}

}  // namespace safeasr::asr
