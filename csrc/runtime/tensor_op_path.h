// Which way operators and runners take: kernels of our own on the CPU, or the tensor operations
// that other devices run.
#pragma once

#include <ATen/Device.h>

namespace safeasr::runtime {

// Whether work on this device goes by tensor operations: few of them, however many streams there
// are. On the CPU only when it is forced.
bool TakesTensorOpPath(at::Device device);

// Sends the CPU the way of other devices, from now on and in the whole process: for tests, and to
// look for the cause of a difference. Streams that live meanwhile must not be used any more.
void ForceTensorOpPath(bool force);

}  // namespace safeasr::runtime
