#include "device_memory.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "graphs.h"
#include "world.h"

namespace fake {
namespace {

// Few different sizes, so that blocks are often used again: that is what shows mistakes.
std::size_t RoundUp(std::size_t bytes) {
  std::size_t size = 512;
  while (size < bytes) size *= 2;
  return size;
}

}  // namespace

DeviceMemory& DeviceMemory::Get() {
  static DeviceMemory* const memory = new DeviceMemory;
  return *memory;
}

Block* DeviceMemory::BlockOf(const c10::DataPtr& data) {
  return data.get_deleter() == &Delete ? static_cast<Block*>(data.get_context()) : nullptr;
}

bool DeviceMemory::ShallFail(Account& account) {
  if (account.fail_after < 0) return false;
  if (account.fail_after > 0) {
    --account.fail_after;
    return false;
  }
  if (account.fail_times > 0 && --account.fail_times == 0) account.fail_after = -1;
  return true;
}

c10::DataPtr DeviceMemory::allocate(std::size_t bytes) {
  const World::Lock lock;
  World::CheckAlive();
  World& world = World::Get();
  const int device = CurrentDevice(), stream = CurrentStream(device);
  const c10::Device where(c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(device));
  if (bytes == 0) return {nullptr, where};
  Account& account = accounts[static_cast<std::size_t>(device)];
  const std::size_t size = RoundUp(bytes);
  const auto needed = static_cast<std::int64_t>(size);
  Collect(device, /*wait=*/false);
  if (needed > account.limit - account.live) Collect(device, /*wait=*/true);
  if (ShallFail(account) || needed > account.limit - account.live) {
    world.Count(device, "out_of_memory");
    TORCH_CHECK_WITH(OutOfMemoryError, false, "fakegpu:", device, " out of memory: ", bytes,
                     " bytes asked for, ", account.live, " in use");
  }
  Block* block = nullptr;
  auto& cached = free_[{stream, size}];
  if (!cached.empty()) {
    block = cached.back();
    cached.pop_back();
  } else {
    auto fresh = std::make_unique<Block>();
    fresh->data = std::aligned_alloc(64, size);
    TORCH_CHECK(fresh->data != nullptr, "no host memory for a fake device");
    fresh->bytes = size;
    fresh->device = device;
    fresh->stream = stream;
    std::memset(fresh->data, kPoison, size);
    block = fresh.release();
  }
  // Another stream that uses it must come after this one: the memory may have been in use here.
  block->uses = {{{{0, size}}, stream, world.Tick(stream), true, "allocation"}};
  block->recorded_in = Recording::OfThisThread();
  account.live += needed;
  account.peak = std::max(account.peak, account.live);
  ++account.allocations;
  return {block->data, block, &Delete, where};
}

void DeviceMemory::Delete(void* block) { Get().Free(static_cast<Block*>(block)); }

void DeviceMemory::Free(Block* block) {
  const World::Lock lock;
  World& world = World::Get();
  Waiting waiting{block, {}};
  for (const int stream : block->recorded) {
    if (stream != block->stream && !world.Complete(stream, world.Now(stream))) {
      waiting.until.emplace_back(stream, world.Tick(stream));
    }
  }
  for (const Access& use : block->uses) {
    if (!block->recorded.count(use.stream) && !world.Ordered(block->stream, use.stream, use.n)) {
      world.Race("a block of " + StreamName(block->stream) + " was freed while " + use.what +
                 " may still use it on " + StreamName(use.stream) +
                 ": neither record_stream nor a wait");
    }
  }
  block->recorded.clear();
  if (waiting.until.empty()) {
    ToFreeList(block);
  } else {
    waiting_.push_back(std::move(waiting));
  }
}

void DeviceMemory::ToFreeList(Block* block) {
  World& world = World::Get();
  accounts[static_cast<std::size_t>(block->device)].live -= static_cast<std::int64_t>(block->bytes);
  // In the stream's order: copies that it has queued come first, even if they run later.
  const auto poison = [data = block->data, bytes = block->bytes] {
    std::memset(data, kPoison, bytes);
  };
  world.Enqueue(block->stream, {poison, {block->data}});
  if (!world.Busy(block->stream)) world.Drain(block->stream);
  free_[{block->stream, block->bytes}].push_back(block);
}

void DeviceMemory::Collect(int device, bool wait) {
  World& world = World::Get();
  std::vector<Waiting> still;
  std::vector<Block*> done;
  for (Waiting& one : waiting_) {
    bool over = true;
    for (const auto& [stream, n] : one.until) {
      if (wait && one.block->device == device && !world.Complete(stream, n)) {
        world.Count(device, "allocator_synchronisations");
        world.SynchroniseStream(stream);
      }
      over = over && world.Complete(stream, n);
    }
    if (over) {
      done.push_back(one.block);
    } else {
      still.push_back(std::move(one));
    }
  }
  waiting_ = std::move(still);
  for (Block* block : done) ToFreeList(block);
}

void DeviceMemory::emptyCache(c10::MempoolId_t) {
  const World::Lock lock;
  World& world = World::Get();
  for (int device = 0; device < kDevices; ++device) {
    world.Count(device, "cache_emptied");
    Collect(device, /*wait=*/true);
  }
  for (auto& [key, blocks] : free_) {
    // As a real driver does: memory is unmapped only when nothing runs that could touch it.
    if (!blocks.empty()) world.SynchroniseDevice(DeviceOf(key.first));
    for (Block* block : blocks) {
      std::free(block->data);
      delete block;
    }
    blocks.clear();
  }
}

void DeviceMemory::copy_data(void* to, const void* from, std::size_t bytes) const {
  const World::Lock lock;
  World::Get().Drain(CurrentStream(CurrentDevice()));
  std::memcpy(to, from, bytes);
}

void DeviceMemory::recordStream(const c10::DataPtr& data, c10::Stream stream) {
  const World::Lock lock;
  Block* const block = BlockOf(data);
  if (block == nullptr) return;
  block->recorded.insert(StreamNumber(stream.device_index(), static_cast<int>(stream.id())));
  World::Get().Count(block->device, "recorded_streams");
}

c10::CachingDeviceAllocator::DeviceStats DeviceMemory::getDeviceStats(c10::DeviceIndex device) {
  const World::Lock lock;
  const Account& account = accounts.at(static_cast<std::size_t>(device));
  c10::CachingDeviceAllocator::DeviceStats stats;
  for (auto* bytes : {&stats.allocated_bytes[0], &stats.active_bytes[0]}) {
    bytes->current = account.live;
    bytes->peak = account.peak;
  }
  return stats;
}

void DeviceMemory::resetAccumulatedStats(c10::DeviceIndex device) {
  const World::Lock lock;
  accounts.at(static_cast<std::size_t>(device)).allocations = 0;
}

void DeviceMemory::resetPeakStats(c10::DeviceIndex device) {
  const World::Lock lock;
  Account& account = accounts.at(static_cast<std::size_t>(device));
  account.peak = account.live;
}

std::pair<std::size_t, std::size_t> DeviceMemory::getMemoryInfo(c10::DeviceIndex device) {
  const World::Lock lock;
  const Account& account = accounts.at(static_cast<std::size_t>(device));
  const std::int64_t total = std::min<std::int64_t>(account.limit, std::int64_t{16} << 30);
  return {static_cast<std::size_t>(std::max<std::int64_t>(total - account.live, 0)),
          static_cast<std::size_t>(total)};
}

}  // namespace fake
