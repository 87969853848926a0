// The second half of a step: tokens that fired to their ids.
#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "asr/families/paraformer_streaming/graph_room.h"
#include "asr/families/paraformer_streaming/step.h"
#include "asr/ragged_batch.h"
#include "runtime/device_ways.h"

namespace safeasr::asr {
namespace {

// Rows of a mixed batch are padded to multiples of these; see RowStep.
constexpr std::int64_t kRowStep = 8;
constexpr std::int64_t kTokenStep = 2;  // there are few, and each costs

}  // namespace

void ParaformerStreamRunner::Decode(std::vector<Step>& steps, const Encoded& encoded,
                                    runtime::StreamContext& context) const {
  const at::Device device = context.device();
  const bool on_device = ByDeviceWays(device);
  const at::Tensor& hidden = encoded.hidden;
  const std::int64_t size = hidden.size(1), kept = shapes_.decoder_kernel - 1;
  const auto floats = at::TensorOptions(at::kFloat).device(device);
  std::vector<Step*> with_tokens;
  std::vector<StepPart> parts;
  std::vector<at::Tensor> memory, past, next;
  std::vector<const SlabRows*> past_in_slabs;
  std::vector<SlabRows*> next_in_slabs;
  std::vector<std::int64_t> token_counts, row_counts, rows, appends, next_first;
  for (Step& step : steps) {
    if (step.tokens.count == 0) continue;  // as in FunASR, the decoder's state stays as it is
    const auto place = static_cast<std::int64_t>(with_tokens.size());
    with_tokens.push_back(&step);
    token_counts.push_back(step.tokens.count);
    memory.push_back(hidden.narrow(0, step.first_row, step.rows));
    row_counts.push_back(step.rows);
    for (std::int64_t t = 0; t < step.rows; ++t) rows.push_back(step.first_row + t);

    const StreamingOptions& options = step.options();
    const std::int64_t window =
        std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk;
    appends.push_back(window > 0 && !step.is_final ? step.rows : 0);
    KvRing& ring = step.next.decoder;
    if (on_device) {
      ring.Reserve(appends.back(), appends.back() + window, *slabs_.decoder, device);
      step.next.memory_rows.Reserve(*slabs_.memories, kept, device);
      past_in_slabs.push_back(&step.next.memory_rows);
      if (!step.is_final) {  // nobody would read them, and the first half is still in use
        next_in_slabs.push_back(&step.next.memory_rows);
        next_first.push_back(place * kept);
      }
    } else {
      ring.Reserve(appends.back(), appends.back() + window, shapes_.decoder_layers, size,
                   shapes_.CacheOptions(device));
      const std::vector<std::int64_t> shape{shapes_.decoder_layers, kept, size};
      past.push_back(step.next.memory.defined() ? step.next.memory : at::zeros(shape, floats));
      next.push_back(at::empty(shape, floats));
    }
    parts.push_back({&ring, appends.back(), step.rows, step.tokens.count});
  }

  std::vector<at::Tensor> wanted;
  if (on_device) wanted.push_back(encoded.carries);
  const std::vector<std::int64_t> token_offsets = Offsets(token_counts);
  if (!with_tokens.empty()) {
    if (on_device) {
      past = {kept > 0 ? ReadSlabRows(past_in_slabs)
                       : at::zeros({shapes_.decoder_layers, 0, size}, floats)};
    }
    if (on_device) next = {at::empty_like(past[0])};
    // What the program takes, filled up to a room if there is one.
    const auto inputs = [&](const StepRoom* room) -> std::vector<runtime::ProgramInput> {
      at::Tensor seen = hidden;
      if (room != nullptr || with_tokens.size() < steps.size()) {
        std::vector<std::int64_t> chosen = rows;
        if (room != nullptr) chosen.resize(static_cast<std::size_t>(room->rows), 0);
        seen = on_device ? hidden.index_select(0, context.Upload(Numbers(chosen)))
                         : PadRows(at::cat(memory), kRowStep);
      }
      const std::vector<std::int64_t> row_offsets = Offsets(row_counts);
      if (room == nullptr) {
        const RingList rings = RingsOf(parts, on_device);
        return {PadRows(encoded.embeddings, StepOn(device, kTokenStep)),
                Numbers(token_offsets),
                seen,
                Numbers(row_offsets),
                rings.caches(),
                rings.Spans(),
                past,
                next};
      }
      const RingList rings = RingsIn(*room, parts);
      const at::Tensor filled = FilledUp(past[0], room->streams * kept);
      return {FilledUp(encoded.embeddings, room->tokens),
              Numbers(OffsetsIn(*room, token_offsets)),
              seen,
              Numbers(OffsetsIn(*room, row_offsets)),
              rings.caches(),
              rings.Spans(),
              std::vector<at::Tensor>{filled},
              std::vector<at::Tensor>{at::empty_like(filled)}};
    };
    std::optional<StepRoom> room;
    if (UsesGraphs(steps, device)) {
      room = RoomForDecoder(steps[0].options(), parts, *slabs_.decoder);
    }
    const auto plain = [&] {
      std::vector<at::Tensor> outputs = decoder_->Run(inputs(nullptr));
      if (on_device) outputs.push_back(next[0]);
      return outputs;
    };
    const auto outputs =
        room ? context.graphs().Run(
                   room->KeyWith(*decoder_), plain,
                   [&] {
                     return runtime::GraphStep{*decoder_, inputs(&*room), room->operators,
                                               /*shared=*/4, /*written=*/7};
                   },
                   context, graph_counts_)
             : plain();
    wanted.insert(wanted.begin(), outputs[0]);
    if (on_device) WriteSlabRows(next_in_slabs, outputs.back(), next_first);
  }
  const std::vector<at::Tensor> host = context.Download(wanted);

  for (std::size_t i = 0; i < with_tokens.size(); ++i) {
    Step& step = *with_tokens[i];
    const std::int64_t* first = host[0].data_ptr<std::int64_t>() + token_offsets[i];
    step.ids.assign(first, first + token_counts[i]);
    const StreamingOptions& options = step.options();
    step.next.decoder.Advance(appends[i],
                              std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk);
    if (!on_device) step.next.memory = next[i];
  }
  if (!on_device) return;
  const float* carry = host.back().data_ptr<float>();
  for (Step& step : steps) {
    step.next.cif.hidden.assign(carry, carry + size);
    carry += size;
  }
}

}  // namespace safeasr::asr
