// Graphs of CUDA devices. torch has no device-generic name for them, so this is the one place that
// needs CUDA's headers; built without them, there are none.
#pragma once

#include <memory>

#include "runtime/device_graph.h"

namespace safeasr::runtime {

bool CudaGraphsSupported();
std::unique_ptr<DeviceGraph> MakeCudaGraph();

}  // namespace safeasr::runtime
