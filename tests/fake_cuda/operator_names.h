// Operators that are treated otherwise than all others, by their names.
#pragma once

#include <set>
#include <string>

#include "attention.h"

namespace fake_cuda {

// They allocate, look, choose or read, and launch no kernel: CUDA's own do it.
inline const std::set<std::string> kOwn = {
    "aten::empty",       "aten::empty_strided",         "aten::resize_",
    "aten::set_",        "aten::record_stream",         "aten::_local_scalar_dense",
    "aten::is_set_to",   "aten::_fused_sdp_choice",     "aten::_efficientzerotensor",
    "aten::_pin_memory", "aten::_copy_from_and_resize", "aten::is_pinned",
};

// Their own kernels are left out: sizes depend on values, or it takes cuDNN or cuFFT.
inline const std::set<std::string> kCpuAlone = {
    "aten::convolution", "aten::_fft_r2c",      "aten::_fft_c2r", "aten::_fft_c2c",
    "aten::nonzero",     "aten::masked_select", "aten::_unique2", "aten::unique_consecutive",
    "aten::bincount",    "aten::unique_dim",    "aten::equal",    "aten::repeat_interleave",
};
inline constexpr char kCudnnAttention[] = "aten::_scaled_dot_product_cudnn_attention";

// Their other results are for training, and differ between CPU and CUDA.
inline bool OnlyFirstResult(const std::string& name) {
  return IsAttention(name) || name.find("embedding_bag") != std::string::npos;
}

}  // namespace fake_cuda
