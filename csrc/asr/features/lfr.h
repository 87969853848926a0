// Low frame rate: neighbouring frames stacked into one wide row, so that a model takes fewer steps.
//
// Row i of the result is frames i*n - (m-1)/2 ... i*n - (m-1)/2 + m - 1 side by side; an index
// before the first frame reads the first one, an index past the last reads the last one. That is
// FunASR's apply_lfr (funasr/frontends/wav_frontend.py) without its padding by copies.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

struct LfrOptions {
  int64_t m = 1;  // frames stacked
  int64_t n = 1;  // frames from one row to the next

  bool Identity() const { return m == 1 && n == 1; }
  // Copies of the first frame that stand before it.
  int64_t left_context() const { return (m - 1) / 2; }
};

// Throws std::invalid_argument unless m and n are at least 1.
void CheckLfr(const LfrOptions& options);

// Rows that `frames` frames give: ceil(frames / n).
int64_t LfrLength(int64_t frames, const LfrOptions& options);

// Which frame each of the m places of each row reads, written to `index` as rows of m, for an
// utterance of `frames` >= 1 frames whose first frame is number `offset`.
void FillLfrIndex(int64_t frames, int64_t offset, const LfrOptions& options, int64_t* index);

// (frames, n_mels) -> (LfrLength(frames), n_mels * m).
at::Tensor ApplyLfr(const at::Tensor& frames, const LfrOptions& options);

// What a stream can stack so far. `frames` holds `count` frames, context included: the first row
// starts at its first frame.
struct LfrStep {
  int64_t rows = 0;      // complete rows; on the last step also those that need padding
  int64_t consumed = 0;  // frames that later rows do not need any more
};

// FunASR's rule for streams (WavFrontendOnline.apply_lfr). At least one frame is always kept, also
// where m <= n would let go of all: then rows drift by a frame, in FunASR as here. count >= 1.
LfrStep PlanLfrStep(int64_t count, bool is_final, const LfrOptions& options);

}  // namespace safeasr::asr
