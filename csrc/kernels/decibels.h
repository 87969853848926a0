// Loudness of frames, as FunASR's voice activity detection measures it.
#pragma once

#include <cstdint>
#include <vector>

namespace safeasr::kernels {

// 10 log10(sum of squares + 1e-6) of `count` windows of `size` samples, `shift` samples apart;
// samples in [-1, 1], so that digital silence is -60 dB. float32 with numpy's order of summation,
// because that is what FunASR compares with its thresholds (FsmnVADStreaming.ComputeDecibel).
// Throws std::invalid_argument unless `wave` holds all windows.
std::vector<float> Decibels(const std::vector<float>& wave, std::int64_t count, std::int64_t size,
                            std::int64_t shift);

}  // namespace safeasr::kernels
