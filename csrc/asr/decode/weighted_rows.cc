#include "asr/decode/weighted_rows.h"

#include <ATen/ATen.h>

#include <tuple>

#include "runtime/upload.h"

namespace safeasr::asr {

at::Tensor SumRows(const at::Tensor& rows, const WeightedRows& sums) {
  const auto count = static_cast<std::int64_t>(sums.first.size());
  if (sums.rows.empty()) return at::zeros({count, rows.size(1)}, rows.options());
  runtime::IndexLists lists;
  lists.Add(sums.rows);
  lists.Add(sums.first);
  const std::vector<at::Tensor> sent = lists.Upload(rows.device());
  return std::get<0>(at::embedding_bag(rows, sent[0], sent[1], /*scale_grad_by_freq=*/false,
                                       /*mode: sum*/ 0, /*sparse=*/false,
                                       runtime::Upload(sums.weights, rows.device())));
}

}  // namespace safeasr::asr
