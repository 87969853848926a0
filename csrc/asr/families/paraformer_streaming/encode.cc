// The first half of a step: rows to hidden vectors, and those to tokens that fire.
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

// What the encoder takes, in its order.
enum class EncoderInput : std::size_t {
  kFeatures,
  kPositions,
  kPast,
  kOrder,
  kOffsets,
  kNeighbours,
  kRings,
  kSpans,
};

// What a batch brings, of all streams one below the other.
struct EncoderBatch {
  at::Tensor features, positions;     // of the new rows, on the host
  at::Tensor past;                    // rows that are run again
  std::vector<std::int64_t> offsets;  // of each stream's rows
  std::vector<std::int64_t> appends;  // rows of each stream that its ring takes
  std::vector<std::int64_t> counts;
  std::vector<StepPart> parts;
};

// As in FunASR: k[:, :, :-right] is empty where nothing lies to the right. Rows that only a next
// step would see are not kept when there is none.
std::int64_t AppendedRows(const StreamStep& step) {
  const StreamingOptions& options = step.options();
  const bool looks_back = options.encoder_look_back != 0 && options.right > 0 && !step.is_final;
  return looks_back ? step.rows - options.right : 0;
}

EncoderBatch GatherSteps(std::vector<StreamStep>& steps, const StepMemory& memory) {
  EncoderBatch batch;
  std::vector<at::Tensor> features;
  std::vector<float> positions;
  for (StreamStep& step : steps) {
    features.push_back(step.features);
    for (std::int64_t t = 0; t < step.features.size(0); ++t) {
      positions.push_back(static_cast<float>(++step.next.rows));
    }
    const StreamingOptions& options = step.options();
    const std::int64_t append = AppendedRows(step);
    memory.ReserveEncoderRing(
        step, append,
        append + std::max<std::int64_t>(options.encoder_look_back, 1) * options.chunk +
            options.left);
    batch.counts.push_back(step.rows);
    batch.appends.push_back(append);
    batch.parts.push_back({&step.next.encoder, append, step.rows, 0});
  }
  batch.features = at::cat(features);
  batch.positions = at::tensor(positions, at::kFloat);
  batch.offsets = Offsets(batch.counts);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].first_row = batch.offsets[i];
  batch.past = memory.Overlaps(steps);
  return batch;
}

// Streams of one kind bring few numbers of rows by themselves. (oneDNN rounds the products of a
// single row in another order.)
std::int64_t RowsWithPadding(const std::vector<StreamStep>& steps, const EncoderBatch& batch,
                             at::Device device) {
  const bool alike = std::all_of(batch.counts.begin(), batch.counts.end(), [&](std::int64_t count) {
    return count == batch.counts.front() && !steps.front().is_final;
  });
  const std::int64_t rows = batch.offsets.back();
  return Padded(rows, alike && rows > 1 ? 1 : StepOn(device, kStepRows));
}

// The rows of the step as numbers of past rows and, from first_new on, of new ones: each stream's
// overlap comes before its new rows.
at::Tensor OrderOfRows(const std::vector<StreamStep>& steps, std::int64_t first_new,
                       std::int64_t rows) {
  std::vector<std::int64_t> order;
  std::int64_t next_past = 0, next_new = first_new;
  for (const StreamStep& step : steps) {
    for (std::int64_t t = 0; t < step.overlap(); ++t) order.push_back(next_past++);
    for (std::int64_t t = 0; t < step.features.size(0); ++t) order.push_back(next_new++);
  }
  order.resize(static_cast<std::size_t>(rows), 0);
  return Numbers(order);
}

}  // namespace

EncodedSteps ParaformerStreamRunner::Encode(std::vector<StreamStep>& steps,
                                            const StepMemory& memory,
                                            runtime::DeviceContext& context) const {
  const EncoderBatch batch = GatherSteps(steps, memory);
  const std::int64_t plain_rows = RowsWithPadding(steps, batch, context.device());
  const auto neighbours = [&](std::int64_t rows) {
    return context.Upload(Neighbours(batch.counts, rows, shapes_.cif_left, shapes_.cif_right));
  };
  ProgramStep step{
      *encoder_, static_cast<std::size_t>(EncoderInput::kRings), /*written=*/-1, {}, {}, {}};
  step.plain = [&]() -> std::vector<runtime::ProgramInput> {
    const RingList rings = memory.Rings(batch.parts);
    return {context.Upload(batch.features),
            context.Upload(batch.positions),
            batch.past,
            context.Upload(OrderOfRows(steps, batch.past.size(0), plain_rows)),
            Numbers(batch.offsets),
            neighbours(plain_rows),
            rings.caches(),
            rings.Spans()};
  };
  step.filled = [&](const GraphRoom& room) -> std::vector<runtime::ProgramInput> {
    const RingList rings = RingsIn(room, batch.parts);
    return {context.Upload(FilledUp(batch.features, room.rows)),
            context.Upload(FilledUp(batch.positions, room.rows)),
            FilledUp(batch.past, room.rows),
            context.Upload(OrderOfRows(steps, room.rows, room.rows)),
            Numbers(OffsetsIn(room, batch.offsets)),
            neighbours(room.rows),
            rings.caches(),
            rings.Spans()};
  };
  step.check = [&](const std::vector<at::Tensor>& outputs, const GraphRoom* room) {
    const std::int64_t rows = room != nullptr ? room->rows : plain_rows;
    runtime::CheckOutputs("encoder", outputs,
                          {{"hidden", at::kFloat, {rows, shapes_.encoder_size}},
                           {"weights", at::kFloat, {rows}},
                           {"embedded", at::kFloat, {rows, frontend_->FeatureSize()}}});
  };
  std::optional<GraphRoom> room;
  if (UsesGraphs(steps, context.device())) {
    room = RoomForEncoder(steps[0].options(), batch.parts, *slabs_.encoder);
  }
  const auto outputs = RunProgram(step, room, context);

  memory.KeepOverlaps(steps, outputs[2]);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    ParaformerStreamState& next = steps[i].next;
    const std::int64_t back = steps[i].options().encoder_look_back;
    // As in FunASR, what the first chunk leaves is not cut to the window.
    next.encoder.Advance(batch.appends[i],
                         back < 0 || !next.attended ? -1 : back * steps[i].options().chunk);
    next.attended = true;
  }
  EncodedSteps encoded{outputs[0], {}, {}};
  memory.Integrate(steps, outputs[1], &encoded);
  return encoded;
}

}  // namespace safeasr::asr
