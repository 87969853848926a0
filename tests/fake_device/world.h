// World: the state of the fake devices, behind one lock: streams with their queues and clocks,
// what is known to be complete, counters, and reports of races.
//
// Copies between host and device are queued and run as late as a correct program can allow: when
// somebody waits for them, or when the same stream runs a kernel. Kernels run at once on the
// calling thread, after what their stream has queued; until somebody synchronised, nobody may count
// on them.
#pragma once

#include <c10/core/Storage.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "block.h"
#include "clocks.h"

namespace fake {

struct QueuedWork {
  std::function<void()> run;
  std::vector<const void*> touches{};  // first bytes of the storages it reads and writes
  c10::Storage keeps{};                // host memory stays until the copy has run
};

struct Event {
  int stream = -1;  // -1: never recorded
  std::uint64_t position = 0;
  VectorClock clock{};
  bool asked = false;
};

class World {
 public:
  static World& Get();  // never destroyed: tensors may outlive static objects

  // Out of order, as after a kernel that wrote where it may not: whatever is asked of a device
  // throws, also what destructors ask.
  // By the bits of `devices`, or whichever one is asked after so many calls; the last looks at the
  // calling thread's.
  static void SetBroken(unsigned devices);
  static void BreakAfter(std::int64_t calls);
  static std::int64_t CallsLeft();
  static void CheckAlive();

  // Holds the lock; what was let go under it (host memory, whose deleters may want other locks) is
  // destroyed behind it.
  class Lock {
   public:
    Lock();
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::unique_lock<std::recursive_mutex> held_;
  };

  // All of these expect the lock to be held.
  void Enqueue(int stream, QueuedWork work);
  void Drain(int stream);  // run what is queued
  // Whether anything but what was queued last is queued.
  bool Busy(int stream) const { return streams_[stream].queue.size() > 1; }
  bool Touched(const void* storage) const { return touched_.count(storage) > 0; }

  // Starts an operation of a stream; returns its number.
  std::uint64_t Tick(int stream);
  // Whether a stream's operations from now on come after the n-th of another.
  bool Ordered(int stream, int other, std::uint64_t n) const;
  // Notes a use of a block and reports it when an earlier one is not known to be over.
  void Use(Block& block, Access access);

  void Record(Event& event, int stream);
  void Wait(const Event& event, int stream);  // the stream waits, the host does not
  void Synchronise(const Event& event);       // the host waits
  void SynchroniseStream(int stream);
  void SynchroniseDevice(int device);
  // Whether it is over. The first answer is no, unless somebody has waited for it: what a program
  // asks only once must not be what it relies on.
  bool Query(Event& event);
  bool QueryStream(int stream);
  bool Complete(int stream, std::uint64_t n) const { return n <= completed_[stream]; }
  std::uint64_t Now(int stream) const { return streams_[stream].clock[stream]; }

  int NextPoolStream(int device);
  void Count(int device, const std::string& what, std::int64_t by = 1);
  void Race(const std::string& report);

  std::map<std::string, std::int64_t> counters[kDevices];
  std::int64_t kernels[kStreams] = {};
  std::vector<std::string> races;

 private:
  struct Stream {
    VectorClock clock;
    std::deque<QueuedWork> queue;
    std::uint64_t enqueued = 0, executed = 0;
    Event asked;
  };

  void DrainTo(int stream, std::uint64_t position);

  std::recursive_mutex mutex_;
  int depth_ = 0;
  std::vector<c10::Storage> let_go_;
  Stream streams_[kStreams];
  VectorClock completed_;  // the host knows: it has waited
  std::unordered_map<const void*, int> touched_;
  int next_[kDevices] = {};
};

std::string StreamName(int stream);

// The calling thread's device and stream of each device.
int CurrentDevice();
void SetCurrentDevice(int device);
int CurrentStream(int device);  // as a StreamNumber
void SetCurrentStream(int stream);

}  // namespace fake
