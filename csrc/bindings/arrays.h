// Tensors and numpy arrays.
#pragma once

#include <ATen/core/Tensor.h>
#include <pybind11/numpy.h>

#include <vector>

namespace safeasr {

using FloatArray = pybind11::array_t<float, pybind11::array::c_style>;

// A numpy array with a copy of the tensor's numbers.
pybind11::array ToArray(const at::Tensor& tensor);
pybind11::array_t<float> ToArray(const std::vector<float>& values);

// A tensor with a copy of an array of float32 or int64; ValueError for other types.
at::Tensor ToTensor(const pybind11::array& array);

}  // namespace safeasr
