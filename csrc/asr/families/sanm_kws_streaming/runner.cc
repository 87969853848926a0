#include "asr/families/sanm_kws_streaming/runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"
#include "runtime/tensor_op_path.h"

namespace safeasr::asr {
namespace {

// Rows of a batch are padded to multiples of these; see RowStep.
constexpr std::int64_t kWindowRows = 8;

std::int64_t RowCount(const at::Tensor& rows) { return rows.defined() ? rows.size(0) : 0; }

}  // namespace

// One stream's part of a batch, worked out on a copy of its state.
struct KeywordStreamRunner::Window {
  explicit Window(PieceOf<KeywordStream>& of)
      : piece(of), request(*of.request), next(of.next), options(of.request->stream->options) {}

  std::size_t left() const { return request.wave.size() - piece.taken; }
  // Rows of features that the next window takes, unless the stream ends.
  std::int64_t needed() const { return options.chunk + (next.encoded ? 0 : options.right); }
  std::int64_t fed() const { return options.chunk + (next.heard ? 0 : options.right); }
  // Rows of the window before the new ones. Before the first, those to the left alone: zeros.
  std::int64_t again() const { return options.left + (next.encoded ? options.right : 0); }
  std::int64_t rows() const { return again() + RowCount(features); }
  // As in FunASR: k[:, :, :-right] is empty where nothing lies to the right.
  std::int64_t append() const {
    return options.look_back != 0 && options.right > 0 && !is_last ? rows() - options.right : 0;
  }

  // Takes up what the network gave for its rows, of which `first` is the first.
  void Keep(const at::Tensor& probabilities, const at::Tensor& ids, const at::Tensor& embedded,
            std::int64_t first);

  PieceOf<KeywordStream>& piece;
  const KeywordStreamRequest& request;
  KeywordStreamState& next;
  const KeywordStreamOptions& options;
  at::Tensor features;   // (new rows, feature size); none: no rows
  bool is_last = false;  // of the stream
};

void KeywordStreamRunner::Window::Keep(const at::Tensor& probabilities, const at::Tensor& ids,
                                       const at::Tensor& embedded, std::int64_t first) {
  const std::int64_t begin = first + options.left;
  const std::int64_t count = is_last ? rows() - options.left : options.chunk;
  const std::int64_t width = ids.size(1);
  auto said = std::make_shared<RowCandidates>();
  const float* from = probabilities.data_ptr<float>() + begin * width;
  const std::int64_t* id = ids.data_ptr<std::int64_t>() + begin * width;
  said->probabilities.assign(from, from + count * width);
  said->ids.assign(id, id + count * width);
  next.said.push_back(std::move(said));
  if (is_last) return;
  const std::int64_t kept = options.left + options.right;
  // A copy: a view would keep the rows of all streams.
  next.overlap = embedded.narrow(0, first + rows() - kept, kept).clone();
  // As in FunASR, what the first window leaves is not cut to what is looked back at.
  next.ring.Advance(
      append(), options.look_back < 0 || !next.encoded ? -1 : options.look_back * options.chunk);
  next.encoded = true;
}

std::size_t KeywordStreamRunner::SamplesOf(std::int64_t rows) const {
  const FrontendConfig& config = frontend_->config();
  const auto row =
      static_cast<std::int64_t>(static_cast<double>(config.sample_rate) * config.frame_shift_ms *
                                static_cast<double>(config.lfr_n) / 1000.0);
  return static_cast<std::size_t>(rows * std::max<std::int64_t>(row, 1));
}

void KeywordStreamRunner::Feed(Window& window, std::size_t samples, bool last) const {
  const float* from = window.request.wave.data() + window.piece.taken;
  const at::Tensor rows = frontend_->Accept(window.next.frontend, {from, samples}, last).values;
  at::Tensor& pending = window.next.pending;
  pending = pending.defined() ? at::cat({pending, rows}) : rows;
  window.piece.taken += samples;
  window.next.heard = true;
  window.next.flushed = last;
}

bool KeywordStreamRunner::TakeWindow(Window& window) const {
  KeywordStreamState& next = window.next;
  for (;;) {
    if (RowCount(next.pending) >= window.needed()) {
      window.features = next.pending.narrow(0, 0, window.needed());
      next.pending =
          next.pending.narrow(0, window.needed(), next.pending.size(0) - window.needed()).clone();
      return true;
    }
    const std::size_t samples = SamplesOf(window.fed());
    if (next.flushed) {
      window.features = std::move(next.pending);
      window.is_last = true;
      return true;
    }
    if (window.left() >= samples) {
      Feed(window, samples, false);
    } else if (window.request.is_final) {
      Feed(window, window.left(), true);
    } else {
      return false;
    }
  }
}

void KeywordStreamRunner::Encode(std::vector<Window*>& windows,
                                 runtime::DeviceContext& context) const {
  const std::int64_t width = frontend_->FeatureSize();
  const auto floats = at::TensorOptions(at::kFloat).device(context.device());
  std::vector<at::Tensor> features{at::empty({0, width}, at::kFloat)}, past;
  std::vector<float> positions;
  std::vector<std::int64_t> counts, order;
  std::int64_t fresh = 0, again = 0;
  for (const Window* window : windows) fresh += window->again();
  RingList rings(runtime::TakesTensorOpPath(context.device()));
  for (Window* window : windows) {
    KeywordStreamState& next = window->next;
    past.push_back(next.encoded ? next.overlap : at::zeros({window->again(), width}, floats));
    for (std::int64_t t = 0; t < window->again(); ++t) order.push_back(again++);
    if (RowCount(window->features) > 0) features.push_back(window->features);
    for (std::int64_t t = 0; t < RowCount(window->features); ++t) {
      order.push_back(fresh++);
      positions.push_back(static_cast<float>(++next.rows));
    }
    counts.push_back(window->rows());
    const KeywordStreamOptions& options = window->options;
    const std::int64_t window_rows = std::max<std::int64_t>(options.look_back, 1) * options.chunk;
    next.ring.Reserve(window->append(), window->append() + window_rows + options.left,
                      shapes_.layers, shapes_.size,
                      at::TensorOptions(shapes_.cache_type).device(context.device()));
    rings.Add(next.ring, window->append());
  }
  const std::vector<std::int64_t> offsets = Offsets(counts);
  const std::int64_t rows = Padded(offsets.back(), StepOn(context.device(), kWindowRows));
  order.resize(static_cast<std::size_t>(rows), 0);
  const std::vector<at::Tensor> outputs = program_->Run(
      {context.Upload(at::cat(features)), context.Upload(at::tensor(positions, at::kFloat)),
       at::cat(past), context.Upload(Numbers(order)), Numbers(offsets), rings.caches(),
       rings.Spans()});
  runtime::CheckOutputs("network", outputs,
                        {{"probabilities", at::kFloat, {rows, shapes_.candidates}},
                         {"ids", at::kLong, {rows, shapes_.candidates}},
                         {"embedded", at::kFloat, {rows, width}}});
  const std::vector<at::Tensor> host = context.Download({outputs[0], outputs[1]});
  for (std::size_t i = 0; i < windows.size(); ++i) {
    windows[i]->Keep(host[0], host[1], outputs[2], offsets[i]);
  }
}

std::vector<std::shared_ptr<const core::Result>> KeywordStreamRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  std::vector<PieceOf<KeywordStream>> pieces;
  std::vector<Window> windows;
  pieces.reserve(batch.size());  // windows refer to them
  windows.reserve(batch.size());
  std::vector<Window*> encoded;
  for (core::Payload* payload : batch) {
    auto& request = *static_cast<KeywordStreamRequest*>(payload);
    request.Begin([&](KeywordStreamState& state, std::size_t samples) {
      // A second window may write where the stream's own state still has rows.
      const std::int64_t chunk = request.stream->options.chunk;
      const auto more = static_cast<std::int64_t>(samples / SamplesOf(1)) + 1;
      if (request.is_final || RowCount(state.pending) + more >= 2 * chunk) state.ring.Detach();
    });
    pieces.emplace_back(request);
    Window& window = windows.emplace_back(pieces.back());
    if (!TakeWindow(window)) {
      pieces.back().done = true;
      continue;
    }
    // At the end there may be nothing left to decide.
    if (window.rows() > window.options.left) encoded.push_back(&window);
  }
  if (!encoded.empty()) Encode(encoded, stream);
  for (Window& window : windows) {
    if (!window.piece.done) Finish(window);
  }
  return CommitPieces(context, pieces);
}

void KeywordStreamRunner::Finish(Window& window) const {
  if (!window.is_last) {
    window.piece.done = !window.request.is_final && !MayHaveWindow(window);
    return;
  }
  std::vector<float> probabilities;
  std::vector<std::int64_t> ids;
  for (const auto& part : window.next.said) {
    probabilities.insert(probabilities.end(), part->probabilities.begin(),
                         part->probabilities.end());
    ids.insert(ids.end(), part->ids.begin(), part->ids.end());
  }
  const auto count = static_cast<std::size_t>(shapes_.candidates);
  const std::shared_ptr<const KeywordSearch>& keywords = window.request.stream->keywords;
  KeywordsHeard heard;
  heard.ended = true;
  heard.hit = keywords->Find({probabilities.data(), ids.data(), ids.size() / count, count});
  heard.keywords = keywords;
  window.piece.found.push_back(std::move(heard));
  window.piece.done = true;
}

bool KeywordStreamRunner::MayHaveWindow(const Window& window) const {
  return RowCount(window.next.pending) >= window.needed() ||
         window.left() >= SamplesOf(window.fed());
}

}  // namespace safeasr::asr
