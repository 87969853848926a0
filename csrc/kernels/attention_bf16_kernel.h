// Attention of one head on bfloat16 dot products, for processors that have them (AVX-512 BF16).
#pragma once

#include <cstdint>

#include "kernels/attention_kernel.h"

namespace safeasr::kernels {

// Whether this processor and this number of channels a head can be done so.
bool HasBf16Attention(std::int64_t depth);

std::int64_t Bf16AttentionScratch(std::int64_t keys_count, std::int64_t depth);

// As AttendHead, with products of bfloat16 pairs summed in float32; the softmax is float32, and its
// weights are rounded to bfloat16. Needs HasBf16Attention, and at least one key.
void AttendHeadBf16(const HeadAttention<BFloat16>& head);

}  // namespace safeasr::kernels
