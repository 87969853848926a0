// Python classes of the speech frontend.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

// Adds Frontend, OnlineFrontend and OnlineFrontendState to `module`.
void BindFrontend(pybind11::module_& module);

}  // namespace safeasr
