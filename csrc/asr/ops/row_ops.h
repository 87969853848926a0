// Elementwise parts of networks, such that a row's numbers are the same bits in any company.
//
// torch's own operators take elements in vectors and what is left over one by one, with other
// functions whose last bit may differ. Which elements are left over depends on the batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace safeasr::asr {

// safeasr::encode_positions: sinusoidal encodings of row numbers (rows) float32, the first being 1:
// (rows, size) float32, sines, then cosines. Source: FunASR's SinusoidalPositionEncoder.
at::Tensor EncodePositions(const at::Tensor& positions, std::int64_t size);

// safeasr::encode_distances: sinusoidal encodings of numbers (rows) float32, of rows or of the
// distance between two, and of rates (size / 2) float32: (rows, size) float32, sines and cosines in
// turn. Source: Vaswani et al., 2017 (https://arxiv.org/abs/1706.03762), section 3.5.
at::Tensor EncodeDistances(const at::Tensor& positions, const at::Tensor& rates);

// safeasr::cif_weights: relu(smooth_factor * sigmoid(x . weight + bias) - noise_threshold) of rows
// x (rows, size) float32; weight (1, size), bias (1). Source: FunASR's CifPredictorV2.
at::Tensor CifRowWeights(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         double smooth_factor, double noise_threshold);

// safeasr::gelu_: GELU by the error function of rows without gaps, in place; returns them. Any type
// of real numbers.
at::Tensor Gelu(at::Tensor x);

}  // namespace safeasr::asr
