#include "asr/features/lfr.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace safeasr::asr {
namespace {

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

}  // namespace

void CheckLfr(const LfrOptions& options) {
  if (options.m < 1 || options.n < 1) {
    throw std::invalid_argument("lfr_m and lfr_n: expected at least 1, got " +
                                std::to_string(options.m) + " and " + std::to_string(options.n));
  }
}

int64_t LfrLength(int64_t frames, const LfrOptions& options) {
  return (frames + options.n - 1) / options.n;
}

void FillLfrIndex(int64_t frames, int64_t offset, const LfrOptions& options, int64_t* index) {
  const int64_t rows = LfrLength(frames, options);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = row * options.n - options.left_context();
    for (int64_t place = 0; place < options.m; ++place) {
      *index++ = offset + std::clamp<int64_t>(first + place, 0, frames - 1);
    }
  }
}

at::Tensor ApplyLfr(const at::Tensor& frames, const LfrOptions& options) {
  CheckLfr(options);
  if (frames.dim() != 2) {
    throw std::invalid_argument("frames: expected (frames, n_mels), got " +
                                std::to_string(frames.dim()) + " dimensions");
  }
  const int64_t rows = LfrLength(frames.size(0), options);
  if (options.Identity()) return frames;
  const at::Tensor index = at::empty({rows * options.m}, at::kLong);
  FillLfrIndex(frames.size(0), 0, options, index.data_ptr<int64_t>());
  return frames.index_select(0, index.to(frames.device())).view({rows, options.m * frames.size(1)});
}

LfrStep PlanLfrStep(int64_t count, bool is_final, const LfrOptions& options) {
  LfrStep step;
  if (is_final) {
    // The right context of the last row is made up; the left context was frames, not rows.
    step.rows = -FloorDivide(options.left_context() - count, options.n);
  } else {
    step.rows = FloorDivide(count - options.m, options.n) + 1;
  }
  step.rows = std::max<int64_t>(step.rows, 0);
  step.consumed = std::min(count - 1, step.rows * options.n);
  return step;
}

}  // namespace safeasr::asr
