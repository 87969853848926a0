#include "asr/paraformer_stream_runner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "asr/ragged_batch.h"
#include "asr/utterance.h"
#include "runtime/stream_context.h"

namespace safeasr::asr {
namespace {

// FunASR's limit: what is left of a stream and shorter than this is not worth features of its own.
constexpr std::size_t kShortestTail = 960;

// Rows of a mixed batch are padded to a multiple of this; see RowStep.
constexpr std::int64_t kRowStep = 8;
constexpr std::int64_t kTokenStep = 2;  // there are few, and each costs

// Rows of a ring: where they begin, how many there are, how many are written.
void AddSpan(const KvRing& ring, std::int64_t append, std::vector<std::int64_t>* spans) {
  spans->insert(spans->end(), {ring.start, ring.count, append});
}

at::Tensor Spans(const std::vector<std::int64_t>& spans) { return Numbers(spans).view({-1, 3}); }

}  // namespace

// One stream's part of a batch, worked out on a copy of its state.
struct ParaformerStreamRunner::Step {
  const StreamRequest* request;
  ParaformerStreamState next;
  std::size_t taken = 0;  // of the request's wave, after this step
  bool is_final = false;  // of the stream
  bool tail = false;      // no features of its own: the overlap is decided, and that is all
  at::Tensor features;    // (new rows, feature size)
  std::int64_t first_row = 0, rows = 0;  // in the batch
  CifTokens tokens;
  std::vector<std::int64_t> ids;

  const StreamingOptions& options() const { return request->stream->options; }
  std::int64_t overlap() const { return options().left + options().right; }
};

void ParaformerStreamRunner::Begin(const StreamRequest& request) const {
  StreamRequest::Progress& progress = request.progress;
  if (progress.started) return;
  StreamRequest::Progress fresh;
  fresh.state = request.stream->state;
  fresh.wave = std::move(fresh.state.held);
  fresh.state.held.clear();
  fresh.wave.insert(fresh.wave.end(), request.samples.begin(), request.samples.end());
  const std::size_t whole = fresh.wave.size() / request.stream->options.StepSamples();
  fresh.steps_left = whole + (request.is_final ? 1 : 0);
  // A second step may write where the stream's own state still has rows.
  if (whole > 1) {
    fresh.state.encoder.Detach();
    fresh.state.decoder.Detach();
  }
  fresh.started = true;
  progress = std::move(fresh);
}

void ParaformerStreamRunner::TakePiece(Step& step) const {
  const StreamRequest::Progress& progress = step.request->progress;
  step.next = progress.state;
  step.is_final = step.request->is_final && progress.steps_left == 1;
  const std::size_t left = progress.wave.size() - progress.taken;
  const std::size_t size = std::min(left, step.options().StepSamples());
  step.taken = progress.taken + size;
  step.tail = step.is_final && size < kShortestTail;
  if (step.tail) {
    step.features = at::zeros({0, frontend_->FeatureSize()}, at::kFloat);
  } else {
    step.features = frontend_
                        ->Accept(step.next.frontend, {progress.wave.data() + progress.taken, size},
                                 step.is_final)
                        .values;
  }
  step.rows = step.overlap() + step.features.size(0);
}

at::Tensor ParaformerStreamRunner::Encode(std::vector<Step>& steps, at::Device device) const {
  const std::int64_t width = frontend_->FeatureSize();
  std::vector<at::Tensor> fresh, past, caches;
  std::vector<float> positions;
  std::vector<std::int64_t> counts, spans, appends;
  std::int64_t past_rows = 0;
  for (Step& step : steps) {
    fresh.push_back(step.features);
    past.push_back(
        step.next.overlap.defined()
            ? step.next.overlap
            : at::zeros({step.overlap(), width}, at::TensorOptions(at::kFloat).device(device)));
    // FunASR scales these rows again, in place, where it takes them for features.
    if (step.tail) past.back() = past.back() * shapes_.feature_scale;
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
    step.next.encoder.Reserve(
        appends.back(),
        appends.back() + std::max<std::int64_t>(options.encoder_look_back, 1) * options.chunk +
            options.left,
        shapes_.encoder_layers, shapes_.encoder_size, shapes_.CacheOptions(device));
    caches.push_back(step.next.encoder.rows);
    AddSpan(step.next.encoder, appends.back(), &spans);
  }
  const std::vector<std::int64_t> offsets = Offsets(counts);

  // Each stream's overlap comes before its new rows.
  std::vector<std::int64_t> order;
  std::int64_t next_past = 0, next_fresh = past_rows;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i].first_row = offsets[i];
    for (std::int64_t t = 0; t < steps[i].overlap(); ++t) order.push_back(next_past++);
    for (std::int64_t t = 0; t < steps[i].features.size(0); ++t) order.push_back(next_fresh++);
  }

  // Streams of one kind bring few numbers of rows by themselves. (oneDNN rounds the products of a
  // single row in another order.)
  const bool alike = std::all_of(counts.begin(), counts.end(), [&](std::int64_t count) {
    return count == counts.front() && !steps.front().is_final;
  });
  order.resize(
      static_cast<std::size_t>(Padded(offsets.back(), alike && offsets.back() > 1 ? 1 : kRowStep)),
      0);
  const auto outputs =
      encoder_->Run({at::cat(fresh).to(device), at::tensor(positions, at::kFloat).to(device),
                     at::cat(past), Numbers(order).to(device), Numbers(offsets),
                     Neighbours(counts, static_cast<std::int64_t>(order.size()), shapes_.cif_left,
                                shapes_.cif_right)
                         .to(device),
                     caches, Spans(spans)});
  const at::Tensor hidden = outputs[0].to(at::kCPU).contiguous();
  const at::Tensor alphas = outputs[1].to(at::kCPU).contiguous();
  const std::int64_t size = hidden.size(1);

  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step& step = steps[i];
    const StreamingOptions& options = step.options();
    // A copy: a view would keep the rows of all streams.
    step.next.overlap =
        outputs[2].narrow(0, step.first_row + step.rows - step.overlap(), step.overlap()).clone();
    const std::int64_t back = options.encoder_look_back;
    // As in FunASR, what the first chunk leaves is not cut to the window.
    step.next.encoder.Advance(appends[i],
                              back < 0 || !step.next.attended ? -1 : back * options.chunk);
    step.next.attended = true;

    float* alpha = alphas.data_ptr<float>() + step.first_row;
    std::fill_n(alpha, std::min(options.left, step.rows), 0.0f);
    if (!step.is_final) {
      for (std::int64_t t = options.left + options.chunk; t < step.rows; ++t) alpha[t] = 0;
    }
    step.tokens = IntegrateChunk(
        step.next.cif, {hidden.data_ptr<float>() + step.first_row * size, alpha, step.rows, size,
                        step.is_final, static_cast<float>(shapes_.tail_threshold)});
    step.next.cif = std::move(step.tokens.carry);
  }
  return outputs[0];
}

void ParaformerStreamRunner::Decode(std::vector<Step>& steps, const at::Tensor& hidden,
                                    at::Device device) const {
  const std::int64_t size = hidden.size(1);
  const auto on_device = at::TensorOptions(at::kFloat).device(device);
  std::vector<Step*> with_tokens;
  std::vector<float> embeddings;
  std::vector<at::Tensor> memory, caches, past, next;
  std::vector<std::int64_t> token_counts, row_counts, spans, appends;
  for (Step& step : steps) {
    if (step.tokens.count == 0) continue;  // as in FunASR, the decoder's state stays as it is
    with_tokens.push_back(&step);
    embeddings.insert(embeddings.end(), step.tokens.embeddings.begin(),
                      step.tokens.embeddings.end());
    token_counts.push_back(step.tokens.count);
    memory.push_back(hidden.narrow(0, step.first_row, step.rows));
    row_counts.push_back(step.rows);

    const StreamingOptions& options = step.options();
    const std::int64_t window =
        std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk;
    appends.push_back(window > 0 && !step.is_final ? step.rows : 0);
    step.next.decoder.Reserve(appends.back(), appends.back() + window, shapes_.decoder_layers, size,
                              shapes_.CacheOptions(device));
    caches.push_back(step.next.decoder.rows);
    AddSpan(step.next.decoder, appends.back(), &spans);
    const std::vector<std::int64_t> shape{shapes_.decoder_layers, shapes_.decoder_kernel - 1, size};
    past.push_back(step.next.memory.defined() ? step.next.memory : at::zeros(shape, on_device));
    next.push_back(at::empty(shape, on_device));
  }
  if (with_tokens.empty()) return;

  const std::vector<std::int64_t> token_offsets = Offsets(token_counts);
  const bool all = with_tokens.size() == steps.size();
  const auto outputs = decoder_->Run(
      {PadRows(at::tensor(embeddings, at::kFloat).view({-1, size}), kTokenStep).to(device),
       Numbers(token_offsets), all ? hidden : PadRows(at::cat(memory), kRowStep),
       Numbers(Offsets(row_counts)), caches, Spans(spans), past, next});
  const at::Tensor ids = outputs[0].to(at::kCPU).contiguous();
  for (std::size_t i = 0; i < with_tokens.size(); ++i) {
    Step& step = *with_tokens[i];
    const std::int64_t* first = ids.data_ptr<std::int64_t>() + token_offsets[i];
    step.ids.assign(first, first + token_counts[i]);
    const StreamingOptions& options = step.options();
    step.next.decoder.Advance(appends[i],
                              std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk);
    step.next.memory = next[i];
  }
}

std::vector<std::shared_ptr<const core::Result>> ParaformerStreamRunner::Run(
    core::WorkerContext& context, const std::vector<const core::Payload*>& batch) const {
  const at::Device device = runtime::AsStreamContext(context).device();
  std::vector<Step> steps;
  for (const core::Payload* payload : batch) {
    const auto* request = static_cast<const StreamRequest*>(payload);
    Begin(*request);
    if (request->progress.steps_left == 0) continue;
    Step step;
    step.request = request;
    TakePiece(step);
    steps.push_back(std::move(step));
  }
  if (!steps.empty()) Decode(steps, Encode(steps, device), device);

  std::vector<std::shared_ptr<Transcript>> transcripts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    transcripts.push_back(std::make_shared<Transcript>());
  }
  std::vector<std::shared_ptr<const core::Result>> results;
  results.reserve(batch.size());
  // From here on the step counts: what a device could still refuse must be behind it.
  context.Finish();
  for (Step& step : steps) {
    StreamRequest::Progress& progress = step.request->progress;
    progress.tokens.insert(progress.tokens.end(), step.ids.begin(), step.ids.end());
    progress.state = std::move(step.next);
    progress.taken = step.taken;
    --progress.steps_left;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto* request = static_cast<const StreamRequest*>(batch[i]);
    StreamRequest::Progress& progress = request->progress;
    if (progress.steps_left > 0) {
      results.push_back(core::Runner::Unfinished());
      continue;
    }
    transcripts[i]->tokens = std::move(progress.tokens);
    if (request->is_final) {
      request->stream->state = ParaformerStreamState();
    } else {
      progress.state.held.assign(
          progress.wave.begin() + static_cast<std::ptrdiff_t>(progress.taken), progress.wave.end());
      request->stream->state = std::move(progress.state);
    }
    results.push_back(std::move(transcripts[i]));
  }
  return results;
}

}  // namespace safeasr::asr
