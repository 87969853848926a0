// Programs and the runners that use them.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindRunners(pybind11::module_& module);

}  // namespace safeasr
