#include "world.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

namespace fake {
namespace {

constexpr std::size_t kMostReports = 100;
constexpr std::size_t kMostUses = 64;

std::atomic<unsigned> broken{0};
std::atomic<std::int64_t> calls_left{-1};  // until the device of a call breaks; -1: for ever
thread_local int current_device = 0;
thread_local int current_stream[kDevices] = {};

// The first range that ends behind a byte.
std::vector<ByteRange>::const_iterator FirstBehind(const std::vector<ByteRange>& ranges,
                                                   std::size_t byte) {
  return std::upper_bound(
      ranges.begin(), ranges.end(), byte,
      [](std::size_t begin, const ByteRange& range) { return begin < range.end; });
}

bool Overlap(const std::vector<ByteRange>& some, const std::vector<ByteRange>& others) {
  if (some.size() > others.size()) return Overlap(others, some);
  return std::any_of(some.begin(), some.end(), [&](const ByteRange& range) {
    const auto found = FirstBehind(others, range.begin);
    return found != others.end() && found->begin < range.end;
  });
}

// Whether all bytes of the others are among these.
bool Cover(const std::vector<ByteRange>& these, const std::vector<ByteRange>& others) {
  return std::all_of(others.begin(), others.end(), [&](const ByteRange& range) {
    const auto found = FirstBehind(these, range.begin);
    return found != these.end() && found->begin <= range.begin && range.end <= found->end;
  });
}

}  // namespace

std::string StreamName(int stream) {
  return "fakegpu:" + std::to_string(DeviceOf(stream)) + "/" +
         std::to_string(stream % kStreamsOfDevice);
}

int CurrentDevice() { return current_device; }
void SetCurrentDevice(int device) { current_device = device; }
int CurrentStream(int device) { return StreamNumber(device, current_stream[device]); }
void SetCurrentStream(int stream) { current_stream[DeviceOf(stream)] = stream % kStreamsOfDevice; }

World& World::Get() {
  static World* const world = new World;
  return *world;
}

void World::SetBroken(unsigned devices) {
  calls_left = -1;
  broken = devices;
}

void World::BreakAfter(std::int64_t calls) { calls_left = calls; }

std::int64_t World::CallsLeft() { return calls_left; }

void World::CheckAlive() {
  if (calls_left >= 0 && calls_left.fetch_sub(1) == 0) broken |= 1U << CurrentDevice();
  TORCH_CHECK((broken & (1U << CurrentDevice())) == 0, "fakegpu:", CurrentDevice(),
              " is out of order");
}

World::Lock::Lock() : held_(Get().mutex_) { ++Get().depth_; }

World::Lock::~Lock() {
  std::vector<c10::Storage> let_go;
  if (--Get().depth_ == 0) let_go.swap(Get().let_go_);
  held_.unlock();
}

void World::Enqueue(int stream, QueuedWork work) {
  for (const void* storage : work.touches) ++touched_[storage];
  streams_[stream].queue.push_back(std::move(work));
  ++streams_[stream].enqueued;
}

void World::Drain(int stream) { DrainTo(stream, streams_[stream].enqueued); }

void World::DrainTo(int stream, std::uint64_t position) {
  Stream& s = streams_[stream];
  // What is waited for by work that runs lies before it: this ends.
  while (s.executed < position && !s.queue.empty()) {
    QueuedWork work = std::move(s.queue.front());
    s.queue.pop_front();
    work.run();
    ++s.executed;
    for (const void* storage : work.touches) {
      const auto found = touched_.find(storage);
      if (--found->second == 0) touched_.erase(found);
    }
    if (work.keeps) let_go_.push_back(std::move(work.keeps));
  }
}

std::uint64_t World::Tick(int stream) {
  VectorClock& clock = streams_[stream].clock;
  clock.Join(completed_);  // what the host waited for was over before it asked for this
  return ++clock[stream];
}

bool World::Ordered(int stream, int other, std::uint64_t n) const {
  return stream == other || n <= completed_[other] || n <= streams_[stream].clock[other];
}

void World::Use(Block& block, Access now) {
  std::vector<Access> kept;
  for (Access& use : block.uses) {
    const bool ordered = Ordered(now.stream, use.stream, use.n);
    if (!ordered && (now.write || use.write) && Overlap(now.ranges, use.ranges)) {
      Race(now.what + (now.write ? " writes" : " reads") + " on " + StreamName(now.stream) +
           " what " + use.what + (use.write ? " wrote" : " read") + " on " +
           StreamName(use.stream) + ", without waiting for it");
    }
    // Whoever is ordered after this use is ordered after those before it as well.
    const bool covered = ordered && (now.write || !use.write) && Cover(now.ranges, use.ranges);
    if (!covered) kept.push_back(std::move(use));
  }
  if (kept.size() > kMostUses) {
    kept.erase(std::remove_if(kept.begin(), kept.end(),
                              [&](const Access& use) { return Complete(use.stream, use.n); }),
               kept.end());
  }
  kept.push_back(std::move(now));
  block.uses = std::move(kept);
}

void World::Record(Event& event, int stream) {
  Tick(stream);
  event.stream = stream;
  event.position = streams_[stream].enqueued;
  event.clock = streams_[stream].clock;
  event.asked = false;
}

void World::Wait(const Event& event, int stream) {
  if (event.stream < 0 || event.stream == stream) return;
  Enqueue(stream,
          {[this, from = event.stream, position = event.position] { DrainTo(from, position); }});
  streams_[stream].clock.Join(event.clock);
}

void World::Synchronise(const Event& event) {
  if (event.stream < 0) return;
  DrainTo(event.stream, event.position);
  completed_.Join(event.clock);
}

void World::SynchroniseStream(int stream) {
  Drain(stream);
  completed_.Join(streams_[stream].clock);
}

void World::SynchroniseDevice(int device) {
  for (int id = 0; id < kStreamsOfDevice; ++id) SynchroniseStream(StreamNumber(device, id));
}

bool World::Query(Event& event) {
  if (event.stream < 0 ||
      (streams_[event.stream].executed >= event.position && completed_.Covers(event.clock))) {
    return true;
  }
  if (!std::exchange(event.asked, true)) return false;
  Synchronise(event);
  return true;
}

bool World::QueryStream(int stream) {
  Stream& s = streams_[stream];
  if (s.queue.empty() && completed_.Covers(s.clock)) return true;
  // The same question again, with nothing new on the stream, finds it done.
  if (s.asked.stream < 0 || s.asked.position != s.enqueued ||
      s.asked.clock[stream] != s.clock[stream]) {
    s.asked = {stream, s.enqueued, s.clock, true};
    return false;
  }
  SynchroniseStream(stream);
  return true;
}

int World::NextPoolStream(int device) {
  return StreamNumber(device, 1 + next_[device]++ % kPoolStreams);
}

void World::Count(int device, const std::string& what, std::int64_t by) {
  counters[device][what] += by;
}

void World::Race(const std::string& report) {
  if (races.size() < kMostReports) races.push_back(report);
}

}  // namespace fake
