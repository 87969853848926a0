// The engine, and the ways into it.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindEngine(pybind11::module_& module);

}  // namespace safeasr
