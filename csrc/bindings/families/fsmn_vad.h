// Voice activity detection: its options, its runner, and a stream of its own.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindVad(pybind11::module_& module);

}  // namespace safeasr
