// core::ErrorKind to the classes of safeasr.errors.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindErrors(pybind11::module_& module);

}  // namespace safeasr
