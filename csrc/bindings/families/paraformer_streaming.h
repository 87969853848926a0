// Live streams of the streaming recogniser.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindStreams(pybind11::module_& module);

}  // namespace safeasr
