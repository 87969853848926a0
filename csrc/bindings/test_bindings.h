// Which way operators take; for tests.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindDevices(pybind11::module_& module);

}  // namespace safeasr
