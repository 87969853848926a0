// Arguments and results of operators.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <functional>

namespace fake_cuda {

// A CPU tensor over the memory of one of a device.
at::Tensor Alias(const at::Tensor& tensor);

// A value for a kernel of the CPU: aliases instead of a device's tensors, also in lists.
c10::IValue ToCpu(const c10::IValue& value);

// Every tensor of a value that is one.
void EachTensor(const c10::IValue& value, const std::function<void(const at::Tensor&)>& see);

// Whether an argument is written to.
bool IsWritten(const c10::Argument& argument);

// Whether an operator gives a view, for which nothing runs on the device.
bool GivesView(const c10::FunctionSchema& schema);

}  // namespace fake_cuda
