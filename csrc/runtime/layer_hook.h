// What a worker does between the layers of every network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace safeasr::runtime {

// Shares the machine's cores for the next layer, which works on `rows`, and throws as
// ThrowIfUnwanted() does. Programs call it in front of their layers (insert_hooks.h); operators
// that run many layers at once call it themselves. channels: the dimension that is not one of rows.
// Does nothing on threads that are no worker's.
void BetweenLayers(const at::Tensor& rows, std::int64_t channels = -1);

// Throws core::Error when nobody wants this worker's batch any more. For what takes long and is
// not a layer. Not while a graph of the device is recorded: that is for later batches.
void ThrowIfUnwanted();

}  // namespace safeasr::runtime
