// What happened before what: a count of operations for each stream of all devices.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace fake {

constexpr int kDevices = 2;
// Stream 0 of a device is its default stream; the others are its pool.
constexpr int kPoolStreams = 32;
constexpr int kStreamsOfDevice = 1 + kPoolStreams;
constexpr int kStreams = kDevices * kStreamsOfDevice;

// A stream of any device as one number.
constexpr int StreamNumber(int device, int id) { return device * kStreamsOfDevice + id; }
constexpr int DeviceOf(int stream) { return stream / kStreamsOfDevice; }

// clock[s]: of how many operations of stream s it is known that they happened before.
class VectorClock {
 public:
  std::uint64_t& operator[](int stream) { return counts_[static_cast<std::size_t>(stream)]; }
  std::uint64_t operator[](int stream) const { return counts_[static_cast<std::size_t>(stream)]; }

  void Join(const VectorClock& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] = std::max(counts_[i], other.counts_[i]);
    }
  }

  // Whether everything that `other` knows of is known here.
  bool Covers(const VectorClock& other) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] < other.counts_[i]) return false;
    }
    return true;
  }

 private:
  std::array<std::uint64_t, kStreams> counts_{};
};

}  // namespace fake
