// Pinned host memory: ordinary memory that is known by its address.
#pragma once

#include <cstddef>

namespace at {
struct HostAllocator;
}

namespace fake {

at::HostAllocator* PinnedMemory();
bool IsPinned(const void* data);

}  // namespace fake
