// Attention by its definition, where CUDA has kernels that the CPU lacks.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>

namespace fake_cuda {

// Whether an operator is one of torch's fused attentions, packed or padded.
bool IsAttention(const std::string& name);

// Takes the operator's arguments, on the CPU, from the stack and puts its first result there, what
// is attended; the others are for training.
void Attend(const c10::OperatorHandle& op, torch::jit::Stack* stack);

}  // namespace fake_cuda
