// Rows of many utterances or streams, one below the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

// Where each part begins when parts of these sizes stand one below the other, and the end.
std::vector<std::int64_t> Offsets(const std::vector<std::int64_t>& counts);

// Numbers as a one-dimensional int64 tensor on the CPU.
at::Tensor Numbers(const std::vector<std::int64_t>& values);

// The next number of rows that is a multiple of step.
std::int64_t Padded(std::int64_t rows, std::int64_t step);

// A multiple to which batches of so many rows are padded. oneDNN keeps kernels for every number of
// rows that it ever saw (1024 in all, hundreds of MB); so it sees few, for one or two rows in a
// hundred.
std::int64_t RowStep(std::int64_t rows);
constexpr std::int64_t kTokenStep = 8;  // for tokens, of which there are fewer

// The step on a device: only oneDNN minds, and elsewhere rows of nobody are launches for nothing.
std::int64_t StepOn(at::Device device, std::int64_t step);

// rows (rows, size) with zeros behind them, up to a multiple of step.
at::Tensor PadRows(const at::Tensor& rows, std::int64_t step);

// Each row's number in its part, from 1; 1 for the padding behind: (rows) float32 on the CPU.
at::Tensor Positions(const std::vector<std::int64_t>& counts, std::int64_t rows);

// For each row of the parts and of the padding behind them the rows that a convolution over
// `left` rows before to `right` rows after it sees, counted from 1, and 0 where there is none:
// (rows, left + 1 + right) int64 on the CPU.
at::Tensor Neighbours(const std::vector<std::int64_t>& counts, std::int64_t rows, std::int64_t left,
                      std::int64_t right);

}  // namespace safeasr::asr
