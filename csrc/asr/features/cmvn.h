// Cepstral mean and variance normalisation with statistics of the training data.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace safeasr::asr {

// y = (x + shift) * scale for each place of a row; `shift` is minus the mean and `scale` one over
// the standard deviation, as <AddShift> and <Rescale> of a Kaldi nnet file hold them
// (funasr/frontends/wav_frontend.py, apply_cmvn). Immutable; safe from any number of threads.
class Cmvn {
 public:
  Cmvn() = default;  // does nothing

  // Both vectors empty: does nothing. Otherwise both must hold at least `size` values; FunASR takes
  // the first `size` of longer ones, and so does this. Throws std::invalid_argument.
  Cmvn(const std::vector<float>& shift, const std::vector<float>& scale, int64_t size);

  bool empty() const { return !shift_.defined(); }

  // Normalises (..., size) float32 values in place, on whichever device they are.
  void Apply(at::Tensor& values) const;

 private:
  at::Tensor shift_;
  at::Tensor scale_;
};

}  // namespace safeasr::asr
