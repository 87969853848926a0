#include "values.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>

namespace fake_cuda {
namespace {

bool Writes(const c10::AliasInfo* info) {
  if (info == nullptr) return false;
  if (info->isWrite()) return true;
  for (const c10::AliasInfo& inner : info->containedTypes()) {
    if (inner.isWrite()) return true;
  }
  return false;
}

}  // namespace

at::Tensor Alias(const at::Tensor& tensor) {
  const c10::Storage& storage = tensor.storage();
  c10::Storage same(c10::Storage::use_byte_size_t(), storage.nbytes(),
                    c10::DataPtr(storage.mutable_data(), c10::Device(c10::DeviceType::CPU)),
                    c10::GetCPUAllocator(), /*resizable=*/true);
  at::Tensor made = at::detail::make_tensor<c10::TensorImpl>(
      std::move(same), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                    tensor.storage_offset());
  if (tensor.is_conj()) made._set_conj(true);
  return made;
}

c10::IValue ToCpu(const c10::IValue& value) {
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    return tensor.defined() && tensor.is_cuda() ? c10::IValue(Alias(tensor)) : value;
  }
  if (value.isList()) {
    c10::impl::GenericList mapped(value.toList().elementType());
    for (const c10::IValue& element : value.toListRef()) mapped.push_back(ToCpu(element));
    return mapped;
  }
  if (value.isDevice()) return c10::Device(c10::DeviceType::CPU);
  return value;
}

void EachTensor(const c10::IValue& value, const std::function<void(const at::Tensor&)>& see) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) see(value.toTensor());
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) EachTensor(element, see);
  }
}

bool IsWritten(const c10::Argument& argument) { return Writes(argument.alias_info()); }

bool GivesView(const c10::FunctionSchema& schema) {
  if (schema.returns().empty()) return false;
  const c10::AliasInfo* const info = schema.returns()[0].alias_info();
  return info != nullptr && !Writes(info);
}

}  // namespace fake_cuda
