// One live stream that keywords are looked for in: its options, and all that it remembers.
// Source: FunASR's SanmKWSStreaming (funasr/models/sanm_kws_streaming/model.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "asr/decode/ctc_keywords.h"
#include "asr/features/online_frontend.h"
#include "asr/live/kv_ring.h"
#include "asr/live/stream_request.h"
#include "core/ticket.h"

namespace safeasr::asr {

// FunASR's chunk_size=[left, chunk, right] in rows of features, and how many chunks back is looked.
struct KeywordStreamOptions {
  std::int64_t left = 0;       // rows before the chunk that are run again with it
  std::int64_t chunk = 8;      // rows of the chunk: what a window decides
  std::int64_t right = 4;      // rows after the chunk that are looked at before it is decided
  std::int64_t look_back = 0;  // chunks; -1: all

  // Throws std::invalid_argument.
  void Check() const;
};

// The candidates of some rows: (rows, count), best first.
struct RowCandidates {
  std::vector<float> probabilities;
  std::vector<std::int64_t> ids;
};

// A plain value. Copying it forks the stream; tensors and candidates are shared and what they hold
// for the copy is never written to.
struct KeywordStreamState {
  OnlineFrontendState frontend;
  std::vector<float> held;  // samples that do not fill what the frontend is given at a time
  bool heard = false;       // the frontend was given some
  bool flushed = false;     // it was given the last ones
  at::Tensor pending;       // (rows, feature size) that do not fill a window; none: no rows
  std::int64_t rows = 0;    // that were in windows, without those that were run again
  bool encoded = false;     // there was a window
  at::Tensor overlap;       // (left + right, feature size) its last rows, embedded
  KvRing ring;
  std::vector<std::shared_ptr<const RowCandidates>> said;  // by all windows
};

// What a request found: nothing before the end of the stream.
struct KeywordsHeard : core::Result {
  bool ended = false;
  std::optional<KeywordHit> hit;
  std::shared_ptr<const KeywordSearch> keywords;
};

// A stream as it is held from outside. A request takes a batch for each of its windows.
struct KeywordStream {
  using State = KeywordStreamState;
  using Item = KeywordsHeard;

  KeywordStream(KeywordStreamOptions given, std::shared_ptr<const KeywordSearch> words)
      : options(given), keywords(std::move(words)) {
    options.Check();
  }
  State Fresh() const { return {}; }
  static std::shared_ptr<const core::Result> MakeResult(std::vector<KeywordsHeard> found) {
    return std::make_shared<KeywordsHeard>(found.empty() ? KeywordsHeard{} : found.back());
  }

  const KeywordStreamOptions options;
  const std::shared_ptr<const KeywordSearch> keywords;
  State state;
};

using KeywordStreamRequest = StreamRequest<KeywordStream>;

}  // namespace safeasr::asr
