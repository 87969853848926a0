// Operators of the fake devices: CPU kernels, on the memory of the device's tensors.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace fake {

// A boxed kernel for every operator. It runs on the current stream of its tensors' device, after
// what that stream has queued.
void RunOnCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// Convolutions come under this name to backends that torch does not know.
void RunConvolution(const c10::OperatorHandle& op, torch::jit::Stack* stack);

}  // namespace fake
