// The allocator of device memory: blocks are cached for each stream, as CUDA's allocator does.
//
// A freed block can be had again at once on its own stream, whatever other streams still do with
// it, unless they were named by record_stream: then only after they are done. Freed and fresh
// memory is poisoned, in the order of the block's stream.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Storage.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "block.h"

namespace fake {

class DeviceMemory : public c10::DeviceAllocator {
 public:
  static DeviceMemory& Get();  // never destroyed

  // On the current device, for the current stream of the calling thread. Throws
  // c10::OutOfMemoryError.
  c10::DataPtr allocate(std::size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override;

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t pool = {0, 0}) override;
  void recordStream(const c10::DataPtr& data, c10::Stream stream) override;
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override;
  void resetAccumulatedStats(c10::DeviceIndex device) override;
  void resetPeakStats(c10::DeviceIndex device) override;
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex device) override;

  // Of a storage on a fake device; null for one without bytes.
  static Block* BlockOf(const c10::DataPtr& data);

  // What tests set and see; under the World's lock.
  struct Account {
    std::int64_t live = 0, peak = 0, allocations = 0;
    std::int64_t limit = std::numeric_limits<std::int64_t>::max();
    std::int64_t fail_after = -1, fail_times = 0;  // -1: none shall fail
  };
  std::array<Account, 2> accounts{};

 private:
  static void Delete(void* block);
  void Free(Block* block);
  void ToFreeList(Block* block);
  // Frees what waits for streams named by record_stream, once they are done. wait: wait for them.
  void Collect(int device, bool wait);
  bool ShallFail(Account& account);

  struct Waiting {
    Block* block;
    std::vector<std::pair<int, std::uint64_t>> until;  // stream, its operation
  };
  using Key = std::pair<int, std::size_t>;  // stream, bytes
  std::map<Key, std::vector<Block*>> free_;
  std::vector<Waiting> waiting_;
};

}  // namespace fake
