// Sums of a device's rows, with weights that the host decided on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

// What each sum is made of.
struct WeightedRows {
  std::vector<std::int64_t> rows;   // of all sums, one after the other
  std::vector<float> weights;       // of each of them
  std::vector<std::int64_t> first;  // where each sum's begin

  void BeginSum() { first.push_back(static_cast<std::int64_t>(rows.size())); }
  void Add(std::int64_t row, float weight) {
    rows.push_back(row);
    weights.push_back(weight);
  }
};

// rows: (rows, size) float32. Returns (sums, size), in one launch and without waiting. Nothing is
// summed over rows that are not named, so what is wrong with one of them stays with its sums.
at::Tensor SumRows(const at::Tensor& rows, const WeightedRows& sums);

}  // namespace safeasr::asr
