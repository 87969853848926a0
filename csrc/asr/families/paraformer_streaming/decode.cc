// The second half of a step: tokens that fired to their ids.
#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "asr/families/paraformer_streaming/graph_room.h"
#include "asr/families/paraformer_streaming/program_step.h"
#include "asr/families/paraformer_streaming/step.h"
#include "asr/families/paraformer_streaming/step_memory.h"
#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {
namespace {

// What the decoder takes, in its order.
enum class DecoderInput : std::size_t {
  kEmbeddings,
  kTokenOffsets,
  kHidden,
  kRowOffsets,
  kRings,
  kSpans,
  kPastMemories,
  kNextMemories,
};

// Rows that a step looks back at.
std::int64_t Window(const StreamingOptions& options) {
  return std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk;
}

// What the steps with tokens bring, one below the other.
struct DecoderBatch {
  std::vector<std::int64_t> token_offsets, row_offsets;
  std::vector<std::int64_t> appends;  // rows of each stream that its ring takes
  std::vector<StepPart> parts;
};

DecoderBatch GatherTokens(const std::vector<StreamStep*>& steps, const StepMemory& memory) {
  DecoderBatch batch;
  std::vector<std::int64_t> tokens, rows;
  for (StreamStep* step : steps) {
    const std::int64_t window = Window(step->options());
    const std::int64_t append = window > 0 && !step->is_final ? step->rows : 0;
    memory.ReserveDecoder(*step, append, append + window);
    tokens.push_back(step->tokens.count);
    rows.push_back(step->rows);
    batch.appends.push_back(append);
    batch.parts.push_back({&step->next.decoder, append, step->rows, step->tokens.count});
  }
  batch.token_offsets = Offsets(tokens);
  batch.row_offsets = Offsets(rows);
  return batch;
}

}  // namespace

void ParaformerStreamRunner::Decode(std::vector<StreamStep>& steps, const EncodedSteps& encoded,
                                    const StepMemory& memory,
                                    runtime::DeviceContext& context) const {
  std::vector<StreamStep*> with_tokens;
  for (StreamStep& step : steps) {
    // As in FunASR, without tokens the decoder's state stays as it is.
    if (step.tokens.count > 0) with_tokens.push_back(&step);
  }
  // One wait for all.
  std::vector<at::Tensor> wanted;
  if (encoded.carries.defined()) wanted.push_back(encoded.carries);
  if (!with_tokens.empty()) {
    const bool graphs = UsesGraphs(steps, context.device());
    wanted.push_back(RunDecoder(with_tokens, with_tokens.size() == steps.size(), graphs, encoded,
                                memory, context));
  }
  const std::vector<at::Tensor> host = context.Download(wanted);

  if (encoded.carries.defined()) {
    const std::int64_t size = host.front().size(1);
    const float* carry = host.front().data_ptr<float>();
    for (StreamStep& step : steps) {
      step.next.cif.hidden.assign(carry, carry + size);
      carry += size;
    }
  }
  if (with_tokens.empty()) return;
  const std::int64_t* ids = host.back().data_ptr<std::int64_t>();
  for (StreamStep* step : with_tokens) {
    step->ids.assign(ids, ids + step->tokens.count);
    ids += step->tokens.count;
  }
}

at::Tensor ParaformerStreamRunner::RunDecoder(const std::vector<StreamStep*>& steps, bool all,
                                              bool graphs, const EncodedSteps& encoded,
                                              const StepMemory& memory,
                                              runtime::DeviceContext& context) const {
  const DecoderBatch batch = GatherTokens(steps, memory);
  const StepMemory::Memories memories = memory.DecoderMemories(steps);
  const at::Tensor embeddings = PadRows(encoded.embeddings, StepOn(context.device(), kStepTokens));
  ProgramStep step{*decoder_,
                   static_cast<std::size_t>(DecoderInput::kRings),
                   static_cast<int>(DecoderInput::kNextMemories),
                   {},
                   {},
                   {}};
  step.plain = [&]() -> std::vector<runtime::ProgramInput> {
    const RingList rings = memory.Rings(batch.parts);
    return {embeddings,
            Numbers(batch.token_offsets),
            all ? encoded.hidden : memory.SelectRows(steps, encoded.hidden, /*room=*/0),
            Numbers(batch.row_offsets),
            rings.caches(),
            rings.Spans(),
            memories.past,
            memories.next};
  };
  step.filled = [&](const GraphRoom& room) -> std::vector<runtime::ProgramInput> {
    const RingList rings = RingsIn(room, batch.parts);
    const std::int64_t kept = shapes_.decoder_kernel - 1;
    const at::Tensor past = FilledUp(memories.past.front(), room.streams * kept);
    return {FilledUp(encoded.embeddings, room.tokens),
            Numbers(OffsetsIn(room, batch.token_offsets)),
            memory.SelectRows(steps, encoded.hidden, room.rows),
            Numbers(OffsetsIn(room, batch.row_offsets)),
            rings.caches(),
            rings.Spans(),
            std::vector<at::Tensor>{past},
            std::vector<at::Tensor>{at::empty_like(past)}};
  };
  step.check = [&](const std::vector<at::Tensor>& outputs, const GraphRoom* room) {
    const std::int64_t tokens = room != nullptr ? room->tokens : embeddings.size(0);
    runtime::CheckOutputs("decoder", outputs, {{"ids", at::kLong, {tokens}}});
  };
  std::optional<GraphRoom> room;
  if (graphs) room = RoomForDecoder(steps.front()->options(), batch.parts, *slabs_.decoder);
  std::vector<at::Tensor> outputs = RunProgram(step, room, context);

  at::Tensor ids = std::move(outputs.front());
  outputs.erase(outputs.begin());
  memory.KeepMemories(steps, outputs);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i]->next.decoder.Advance(batch.appends[i], Window(steps[i]->options()));
  }
  return ids;
}

}  // namespace safeasr::asr
