#include "pinned_memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "block.h"
#include "world.h"

namespace fake {
namespace {

class Allocator : public at::HostAllocator {
 public:
  static Allocator& Get() {
    static Allocator* const allocator = new Allocator;
    return *allocator;
  }

  c10::DataPtr allocate(std::size_t bytes) override {
    World::CheckAlive();
    void* const data = std::aligned_alloc(64, (bytes / 64 + 1) * 64);
    TORCH_CHECK(data != nullptr, "no host memory to pin");
    std::memset(data, kPoison, bytes);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      blocks_[static_cast<const char*>(data)] = bytes;
    }
    const World::Lock lock;
    World::Get().Count(CurrentDevice(), "pinned_allocations");
    return {data, data, &Delete, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Delete; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

  // Queued copies keep the memory they use: nothing more to remember.
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}

  bool Holds(const void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto* address = static_cast<const char*>(data);
    auto found = blocks_.upper_bound(address);
    if (found == blocks_.begin()) return false;
    --found;
    return address == found->first || address < found->first + found->second;
  }

 private:
  static void Delete(void* data) {
    World::CheckAlive();
    {
      const std::lock_guard<std::mutex> lock(Get().mutex_);
      Get().blocks_.erase(static_cast<const char*>(data));
    }
    std::free(data);
  }

  std::mutex mutex_;
  std::map<const char*, std::size_t> blocks_;
};

}  // namespace

at::HostAllocator* PinnedMemory() { return &Allocator::Get(); }
bool IsPinned(const void* data) { return Allocator::Get().Holds(data); }

}  // namespace fake
