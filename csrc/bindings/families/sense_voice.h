// SenseVoice's runner and the scores that its timestamps are made from.
#pragma once

#include <pybind11/pybind11.h>

namespace safeasr {

void BindSenseVoice(pybind11::module_& module);

}  // namespace safeasr
