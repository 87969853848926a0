#include "control.h"

#include <cstdio>
#include <cstdlib>

#include "world.h"

extern "C" {

std::uint64_t fake_cuda_count(const char* what) {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  const auto found = world.counts.find(what);
  return found == world.counts.end() ? 0 : found->second;
}

std::uint64_t fake_cuda_complaints() {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  return world.complaints.size();
}

void fake_cuda_print() {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  for (const auto& [what, count] : world.counts) {
    std::fprintf(stderr, "%12llu %s\n", static_cast<unsigned long long>(count), what.c_str());
  }
  std::fprintf(stderr, "%12zu complaints\n", world.complaints.size());
}

void fake_cuda_fail_allocations(std::int64_t after, std::int64_t times) {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  world.fail_after = after;
  world.fail_times = times;
}

void fake_cuda_break(int error) {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  world.broken = static_cast<cudaError_t>(error);
  world.calls_left = -1;
}

void fake_cuda_break_after(std::int64_t calls, int error) {
  fake_cuda::World& world = fake_cuda::World::Get();
  const auto lock = world.Hold();
  world.calls_left = calls;
  world.breaks_with = static_cast<cudaError_t>(error);
}
}

namespace fake_cuda {

bool Idle() {
  static const bool idle = std::getenv("FAKE_CUDA_IDLE") != nullptr;
  return idle;
}

void BeQuiet(bool quiet) { Quiet() = quiet; }

bool Begin(void* stream) {
  World& world = World::Get();
  const auto lock = world.Hold();
  CUstream_st* const own = StreamOf(static_cast<cudaStream_t>(stream));
  own->Drain();
  return own->capture != nullptr;
}

void Record(void* stream, std::function<void()> work) {
  World& world = World::Get();
  const auto lock = world.Hold();
  CUstream_st* const own = StreamOf(static_cast<cudaStream_t>(stream));
  if (own->capture) own->capture->work.push_back(std::move(work));
}

}  // namespace fake_cuda
