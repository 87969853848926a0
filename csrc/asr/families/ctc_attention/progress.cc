#include "asr/families/ctc_attention/progress.h"

#include <ATen/ATen.h>

#include "runtime/tensor_op_path.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

constexpr std::int64_t kFirstRows = 16;

}  // namespace

BeamMemory::BeamMemory(const TokenMemory& kind, const at::Tensor& sound) {
  if (kind.layers > 0) {
    rows_ = at::zeros({1, kind.layers, kind.rows, kind.size}, sound.options().dtype(at::kFloat));
    written_ = at::zeros_like(rows_);
    return;
  }
  axis_ = runtime::TakesTensorOpPath(sound.device()) ? 2 : 0;
  std::vector<std::int64_t> shape{sound.size(0), 2, kFirstRows, sound.size(3)};
  shape.insert(shape.begin() + axis_, 1);
  rows_ = at::zeros(shape, sound.options());
}

void BeamMemory::AddTo(std::int64_t number, RememberedTokens* all) const {
  const std::int64_t hypotheses = rows_.size(axis_);
  if (written_.defined()) {
    for (std::int64_t h = 0; h < hypotheses; ++h) {
      all->past.push_back(rows_.select(0, h));
      all->next.push_back(written_.select(0, h));
    }
    return;
  }
  const std::int64_t capacity = rows_.size(3);
  if (axis_ == 2) all->caches.push_back(rows_.flatten(2, 3));
  for (std::int64_t h = 0; h < hypotheses; ++h) {
    if (axis_ == 0) all->caches.push_back(rows_.select(0, h));
    all->spans.insert(all->spans.end(), {0, used_, 1});
    if (axis_ == 2) all->spans.insert(all->spans.end(), {number, h * capacity, capacity});
  }
}

BeamMemory BeamMemory::After(const std::vector<std::int64_t>& parents) const {
  BeamMemory next;
  const at::Tensor chosen = runtime::Upload(parents, rows_.device());
  if (written_.defined()) {
    next.rows_ = written_.index_select(0, chosen);
    next.written_ = at::zeros_like(next.rows_);
    return next;
  }
  next.axis_ = axis_;
  next.used_ = used_ + 1;
  next.rows_ = rows_.index_select(axis_, chosen);
  const std::int64_t capacity = rows_.size(3);
  if (next.used_ == capacity) {
    std::vector<std::int64_t> shape = next.rows_.sizes().vec();
    shape[3] = 2 * capacity;
    const at::Tensor longer = at::zeros(shape, rows_.options());
    longer.narrow(3, 0, capacity).copy_(next.rows_);
    next.rows_ = longer;
  }
  return next;
}

}  // namespace safeasr::asr
