// What counts and times the calls of a model.
#pragma once

#include <pybind11/pybind11.h>

#include "core/duration_histogram.h"

namespace safeasr {

void BindObserving(pybind11::module_& module);

// (sum in seconds, counts of the buckets).
pybind11::tuple HistogramToPython(const core::DurationHistogram& histogram);

}  // namespace safeasr
