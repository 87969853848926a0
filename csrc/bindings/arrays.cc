#include "bindings/arrays.h"

#include <ATen/ATen.h>

#include <cstring>
#include <string>
#include <vector>

namespace py = pybind11;

namespace safeasr {

py::array ToArray(const at::Tensor& tensor) {
  const at::Tensor t = tensor.contiguous();
  std::string type;
  switch (t.scalar_type()) {
    case at::kFloat:
      type = "float32";
      break;
    case at::kDouble:
      type = "float64";
      break;
    case at::kLong:
      type = "int64";
      break;
    case at::kInt:
      type = "int32";
      break;
    case at::kBool:
      type = "bool";
      break;
    default:
      throw py::type_error(std::string("no array type for outputs of type ") +
                           c10::toString(t.scalar_type()));
  }
  py::array array(py::dtype(type), std::vector<py::ssize_t>(t.sizes().begin(), t.sizes().end()));
  std::memcpy(array.mutable_data(), t.data_ptr(), t.nbytes());
  return array;
}

py::array_t<float> ToArray(const std::vector<float>& values) {
  return py::array_t<float>(static_cast<py::ssize_t>(values.size()), values.data());
}

at::Tensor ToTensor(const py::array& array) {
  at::ScalarType type;
  if (py::isinstance<py::array_t<float>>(array)) {
    type = at::kFloat;
  } else if (py::isinstance<py::array_t<std::int64_t>>(array)) {
    type = at::kLong;
  } else {
    throw py::value_error("expected an array of float32 or int64, got " +
                          std::string(py::str(array.dtype())));
  }
  const py::array plain = py::array::ensure(array, py::array::c_style);
  const std::vector<std::int64_t> sizes(plain.shape(), plain.shape() + plain.ndim());
  at::Tensor tensor = at::empty(sizes, type);
  std::memcpy(tensor.data_ptr(), plain.data(), static_cast<std::size_t>(plain.nbytes()));
  return tensor;
}

}  // namespace safeasr
