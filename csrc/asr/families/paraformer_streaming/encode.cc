// The first half of a step: rows to hidden vectors, and those to tokens that fire.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

#include "asr/families/paraformer_streaming/graph_room.h"
#include "asr/families/paraformer_streaming/step.h"
#include "asr/ragged_batch.h"
#include "runtime/device_ways.h"

namespace safeasr::asr {
namespace {

// Rows of a mixed batch are padded to a multiple of this; see RowStep.
constexpr std::int64_t kRowStep = 8;

}  // namespace

ParaformerStreamRunner::Encoded ParaformerStreamRunner::Encode(
    std::vector<Step>& steps, runtime::StreamContext& context) const {
  const at::Device device = context.device();
  const bool on_device = ByDeviceWays(device);
  const std::int64_t width = frontend_->FeatureSize();
  std::vector<at::Tensor> fresh, past;
  std::vector<const SlabRows*> past_in_slabs;
  std::vector<StepPart> parts;
  std::vector<float> positions, scales;
  std::vector<std::int64_t> counts, appends;
  std::int64_t past_rows = 0;
  bool any_tail = false;
  for (Step& step : steps) {
    fresh.push_back(step.features);
    if (on_device) {
      step.next.overlap_rows.Reserve(*slabs_.overlaps, step.overlap(), device);
      past_in_slabs.push_back(&step.next.overlap_rows);
      scales.insert(scales.end(), static_cast<std::size_t>(step.overlap()),
                    step.tail ? static_cast<float>(shapes_.feature_scale) : 1.0f);
      any_tail = any_tail || step.tail;
    } else {
      past.push_back(
          step.next.overlap.defined()
              ? step.next.overlap
              : at::zeros({step.overlap(), width}, at::TensorOptions(at::kFloat).device(device)));
      // FunASR scales these rows again, in place, where it takes them for features.
      if (step.tail) past.back() = past.back() * shapes_.feature_scale;
    }
    for (std::int64_t t = 0; t < step.features.size(0); ++t) {
      positions.push_back(static_cast<float>(++step.next.rows));
    }
    counts.push_back(step.rows);
    past_rows += step.overlap();

    const StreamingOptions& options = step.options();
    // As in FunASR: k[:, :, :-right] is empty where nothing lies to the right. Rows that only a
    // next step would see are not kept when there is none.
    const bool looks_back = options.encoder_look_back != 0 && options.right > 0 && !step.is_final;
    appends.push_back(looks_back ? step.rows - options.right : 0);
    const std::int64_t expected =
        appends.back() + std::max<std::int64_t>(options.encoder_look_back, 1) * options.chunk +
        options.left;
    if (on_device && options.encoder_look_back >= 0) {
      step.next.encoder.Reserve(appends.back(), expected, *slabs_.encoder, device);
    } else {
      step.next.encoder.Reserve(appends.back(), expected, shapes_.encoder_layers,
                                shapes_.encoder_size, shapes_.CacheOptions(device));
    }
    parts.push_back({&step.next.encoder, appends.back(), step.rows, 0});
  }
  const std::vector<std::int64_t> offsets = Offsets(counts);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].first_row = offsets[i];
  at::Tensor before = on_device ? ReadSlabRows(past_in_slabs) : at::cat(past);
  if (on_device && any_tail) {
    before = before * context.Upload(at::tensor(scales, at::kFloat)).unsqueeze(1);
  }

  // What the program takes, filled up to a room if there is one.
  const auto inputs = [&](const StepRoom* room) -> std::vector<runtime::ProgramInput> {
    // Each stream's overlap comes before its new rows.
    std::vector<std::int64_t> order;
    std::int64_t next_past = 0, next_fresh = room != nullptr ? room->rows : past_rows;
    for (const Step& step : steps) {
      for (std::int64_t t = 0; t < step.overlap(); ++t) order.push_back(next_past++);
      for (std::int64_t t = 0; t < step.features.size(0); ++t) order.push_back(next_fresh++);
    }
    // Streams of one kind bring few numbers of rows by themselves. (oneDNN rounds the products of a
    // single row in another order.)
    const bool alike = std::all_of(counts.begin(), counts.end(), [&](std::int64_t count) {
      return count == counts.front() && !steps.front().is_final;
    });
    const std::int64_t step_of_rows = alike && offsets.back() > 1 ? 1 : StepOn(device, kRowStep);
    const std::int64_t rows = room != nullptr ? room->rows : Padded(offsets.back(), step_of_rows);
    order.resize(static_cast<std::size_t>(rows), 0);
    at::Tensor features = at::cat(fresh), numbers = at::tensor(positions, at::kFloat);
    if (room != nullptr) {
      features = FilledUp(features, rows);
      numbers = FilledUp(numbers, rows);
    }
    const RingList rings = room != nullptr ? RingsIn(*room, parts) : RingsOf(parts, on_device);
    return {context.Upload(features),
            context.Upload(numbers),
            room != nullptr ? FilledUp(before, rows) : before,
            context.Upload(Numbers(order)),
            Numbers(room != nullptr ? OffsetsIn(*room, offsets) : offsets),
            context.Upload(Neighbours(counts, rows, shapes_.cif_left, shapes_.cif_right)),
            rings.caches(),
            rings.Spans()};
  };
  std::optional<StepRoom> room;
  if (UsesGraphs(steps, device)) {
    room = RoomForEncoder(steps[0].options(), parts, *slabs_.encoder);
  }
  const auto plain = [&] { return encoder_->Run(inputs(nullptr)); };
  const auto outputs =
      room ? context.graphs().Run(
                 room->KeyWith(*encoder_), plain,
                 [&] {
                   return runtime::GraphStep{*encoder_, inputs(&*room), room->operators,
                                             /*shared=*/6};
                 },
                 context, graph_counts_)
           : plain();

  std::vector<SlabRows*> kept;
  std::vector<std::int64_t> kept_first;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
    const std::int64_t first = step.first_row + step.rows - step.overlap();
    if (!on_device) {
      // A copy: a view would keep the rows of all streams.
      step.next.overlap = outputs[2].narrow(0, first, step.overlap()).clone();
    } else if (!step.is_final) {  // nobody would read them, and the first half is still in use
      kept.push_back(&step.next.overlap_rows);
      kept_first.push_back(first);
    }
    const std::int64_t back = step.options().encoder_look_back;
    // As in FunASR, what the first chunk leaves is not cut to the window.
    step.next.encoder.Advance(appends[i],
                              back < 0 || !step.next.attended ? -1 : back * step.options().chunk);
    step.next.attended = true;
  }
  WriteSlabRows(kept, outputs[2], kept_first);
  Encoded encoded{outputs[0], {}, {}};
  Integrate(steps, outputs[1], context, &encoded);
  return encoded;
}

void ParaformerStreamRunner::Integrate(std::vector<Step>& steps, const at::Tensor& weights,
                                       runtime::StreamContext& context, Encoded* encoded) const {
  const bool on_device = ByDeviceWays(context.device());
  // The hidden vectors stay where they are if they can be summed there.
  std::vector<at::Tensor> wanted{weights};
  if (!on_device) wanted.push_back(encoded->hidden);
  const std::vector<at::Tensor> host = context.Download(wanted);
  const std::int64_t size = encoded->hidden.size(1);
  std::vector<CifChunk> chunks;
  for (const Step& step : steps) {
    const StreamingOptions& options = step.options();
    float* alpha = host[0].data_ptr<float>() + step.first_row;
    if (!std::all_of(alpha, alpha + step.rows, [](float a) { return std::isfinite(a); })) {
      // Carried on, it would spoil the rest of the stream. Alone, the culprit fails.
      throw std::runtime_error("the network's weights of frames are not finite numbers");
    }
    std::fill_n(alpha, std::min(options.left, step.rows), 0.0f);
    if (!step.is_final) {
      for (std::int64_t t = options.left + options.chunk; t < step.rows; ++t) alpha[t] = 0;
    }
    chunks.push_back({on_device ? nullptr : host[1].data_ptr<float>() + step.first_row * size,
                      alpha, step.rows, size, step.is_final,
                      static_cast<float>(shapes_.tail_threshold)});
  }
  if (on_device) return IntegrateOnDevice(steps, chunks, context, encoded);
  std::vector<float> embeddings;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CifTokens& tokens = steps[i].tokens;
    tokens = IntegrateChunk(steps[i].next.cif, chunks[i]);
    embeddings.insert(embeddings.end(), tokens.embeddings.begin(), tokens.embeddings.end());
    steps[i].next.cif = std::move(tokens.carry);
  }
  encoded->embeddings = at::tensor(embeddings, at::kFloat).view({-1, size});
}

void ParaformerStreamRunner::IntegrateOnDevice(std::vector<Step>& steps,
                                               const std::vector<CifChunk>& chunks,
                                               runtime::StreamContext& context,
                                               Encoded* encoded) const {
  const std::int64_t rows = encoded->hidden.size(0), size = encoded->hidden.size(1);
  const at::Tensor carried = at::zeros({static_cast<std::int64_t>(steps.size()), size}, at::kFloat);
  bool any_carried = false;
  WeightedRows sums;
  std::vector<std::int64_t> token_sums, carry_sums;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
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
      any_carried ? at::cat({encoded->hidden, context.Upload(carried)}) : encoded->hidden, sums);
  encoded->embeddings = found.index_select(0, context.Upload(Numbers(token_sums)));
  encoded->carries = found.index_select(0, context.Upload(Numbers(carry_sums)));
}

}  // namespace safeasr::asr
