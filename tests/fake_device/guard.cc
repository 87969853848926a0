// What torch asks a backend for: devices, streams and events (DeviceGuardImplInterface), and hooks.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "device_memory.h"
#include "graphs.h"
#include "pinned_memory.h"
#include "world.h"

namespace fake {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;

c10::Device ToDevice(int index) { return {kType, static_cast<c10::DeviceIndex>(index)}; }

int IndexOf(c10::Device device) {
  const int index = device.has_index() ? device.index() : CurrentDevice();
  TORCH_CHECK(index >= 0 && index < kDevices, "there is no device ", device);
  return index;
}

int NumberOf(const c10::Stream& stream) {
  return StreamNumber(stream.device_index(), static_cast<int>(stream.id()));
}

c10::Stream ToStream(int number) {
  return c10::Stream(c10::Stream::UNSAFE, ToDevice(DeviceOf(number)), number % kStreamsOfDevice);
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return ToDevice(CurrentDevice()); }
  void setDevice(c10::Device device) const override { SetCurrentDevice(IndexOf(device)); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) SetCurrentDevice(device.index());
  }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }

  c10::Stream getStream(c10::Device device) const override {
    return ToStream(CurrentStream(IndexOf(device)));
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return ToStream(StreamNumber(IndexOf(device), 0));
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high*/) const override {
    const World::Lock lock;
    return ToStream(World::Get().NextPoolStream(IndexOf(device)));
  }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    return getStreamFromGlobalPool(device, false);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::Stream before = getStream(stream.device());
    SetCurrentStream(NumberOf(stream));
    return before;
  }
  bool queryStream(const c10::Stream& stream) const override {
    const World::Lock lock;
    World::CheckAlive();
    Recording::Forbid("waiting");
    return World::Get().QueryStream(NumberOf(stream));
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    const World::Lock lock;
    World::CheckAlive();
    Recording::Forbid("waiting");
    World::Get().Count(stream.device_index(), "stream_synchronisations");
    World::Get().SynchroniseStream(NumberOf(stream));
  }
  void synchronizeDevice(c10::DeviceIndex device) const override {
    const World::Lock lock;
    World::CheckAlive();
    Recording::Forbid("waiting");
    World::Get().Count(device, "device_synchronisations");
    World::Get().SynchroniseDevice(device);
  }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex /*device*/,
              c10::EventFlag /*flag*/) const override {
    const World::Lock lock;
    World::CheckAlive();
    if (*event == nullptr) *event = new Event;
    World::Get().Record(*static_cast<Event*>(*event), NumberOf(stream));
    World::Get().Count(stream.device_index(), "events_recorded");
  }
  void block(void* event, const c10::Stream& stream) const override {
    const World::Lock lock;
    if (event == nullptr) return;
    World::Get().Wait(*static_cast<Event*>(event), NumberOf(stream));
    World::Get().Count(stream.device_index(), "event_waits");
  }
  bool queryEvent(void* event) const override {
    const World::Lock lock;
    World::CheckAlive();
    Recording::Forbid("waiting");
    return event == nullptr || World::Get().Query(*static_cast<Event*>(event));
  }
  void synchronizeEvent(void* event) const override {
    const World::Lock lock;
    World::CheckAlive();
    Recording::Forbid("waiting");
    if (event == nullptr) return;
    auto& given = *static_cast<Event*>(event);
    if (given.stream >= 0) World::Get().Count(DeviceOf(given.stream), "event_synchronisations");
    World::Get().Synchronise(given);
  }
  void destroyEvent(void* event, c10::DeviceIndex /*device*/) const noexcept override {
    const World::Lock lock;
    delete static_cast<Event*>(event);
  }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    DeviceMemory::Get().recordStream(data, stream);
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*device*/) const override { return true; }
  void init() const override {}
  c10::DeviceIndex deviceCount() const override { return kDevices; }
  void setCurrentDevice(c10::DeviceIndex device) const override {
    SetCurrentDevice(IndexOf(ToDevice(device)));
  }
  c10::DeviceIndex getCurrentDevice() const override {
    return static_cast<c10::DeviceIndex>(CurrentDevice());
  }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex device) const override {
    const c10::DeviceIndex before = getCurrentDevice();
    setCurrentDevice(device);
    return before;
  }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex device) const override {
    return device < 0 ? getCurrentDevice() : exchangeDevice(device);
  }
  bool isPinnedPtr(const void* data) const override { return IsPinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return PinnedMemory(); }
};

const bool registered = [] {
  c10::register_privateuse1_backend("fakegpu");
  c10::impl::registerDeviceGuard(kType, new Guard);
  c10::SetAllocator(kType, &DeviceMemory::Get());
  at::setHostAllocator(kType, PinnedMemory());
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

}  // namespace
}  // namespace fake
