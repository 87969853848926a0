// safeasr::fsmn_vad: the scorer of voice activity detection as one operator.
// Source: Zhang et al., 2018 (https://arxiv.org/abs/1803.05030); FunASR's FSMN encoder
// (funasr/models/fsmn_vad_streaming/encoder.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <tuple>

namespace safeasr::asr {

// features: (batch, time, input); lengths: (batch), real rows of each; cache: (batch, layers,
// past, proj), the memories' frames before. Returns scores (batch, time, classes), zeros beyond a
// row's length, and the cache of the next step. Nothing looks ahead.
//
// sizes: input, input_affine, layers, linear, proj, past, output_affine, classes, softmax (0 or 1).
// weights: (n), as FsmnVadNetwork (fsmn_vad_kernel.h) reads them.
//
// As single operators this takes some forty allocations and passes through memory, ten times what
// the arithmetic of a short chunk costs. float32 on the CPU runs as one pass on the calling
// thread (fsmn_vad_kernel.h), and there a row's scores are the same bits however its stream is cut
// and whatever else is in the batch; anything else runs by tensor operations.
std::tuple<at::Tensor, at::Tensor> FsmnVad(const at::Tensor& features, const at::Tensor& lengths,
                                           const at::Tensor& cache, const at::Tensor& weights,
                                           at::IntArrayRef sizes);

// Makes the operator known to torch, in Python as torch.ops.safeasr.fsmn_vad. Idempotent.
void RegisterFsmnVad();

}  // namespace safeasr::asr
