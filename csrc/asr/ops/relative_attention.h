// safeasr::relative_attention: self-attention of many utterances that knows how far rows are apart.
// Source: Dai et al., 2019 (https://arxiv.org/abs/1901.02860), section 3.3; FunASR's
// RelPositionMultiHeadedAttention and LegacyRelPositionMultiHeadedAttention.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace safeasr::asr {

// The rows of each utterance attend to the utterance's own rows.
//
// q, k, v: (rows, size) of one type, rows of all utterances one below the other, channels adjacent.
// p: (positions, size) of that type, what encodings of positions became. content_bias,
// position_bias: (heads, size / heads) float32, added to queries before they meet keys and
// positions. offsets: (utterances + 1) int64 on the CPU, where each utterance's rows begin; rows
// behind the last are padding: zeros come out. firsts: (utterances) int64 on the CPU, where each
// utterance's positions begin in p. An utterance of n rows has 2 n - 1 of them, or n if `shifted`:
// see RelativeKind in relative_attention_kernel.h. Computed in float32; returns (rows, size) of
// q's type.
at::Tensor RelativeAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& p, const at::Tensor& content_bias,
                             const at::Tensor& position_bias, std::int64_t heads,
                             const at::Tensor& offsets, const at::Tensor& firsts, bool shifted);

}  // namespace safeasr::asr
