#include "copies.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "alias.h"
#include "graphs.h"
#include "pinned_memory.h"
#include "world.h"

namespace fake {
namespace {

void Poison(const at::Tensor& target) {
  if (target.is_non_overlapping_and_dense()) {
    std::memset(target.mutable_data_ptr(), kPoison, target.nbytes());
  } else if (target.is_floating_point()) {
    target.fill_(std::numeric_limits<double>::quiet_NaN());
  } else {
    target.fill_(-1);
  }
}

// Between two places of devices: a kernel. Between devices, both streams take part.
void CopyOnDevices(const at::Tensor& from, const at::Tensor& to) {
  World& world = World::Get();
  const int here = CurrentStream(from.device().index());
  const int there = CurrentStream(to.device().index());
  if (here != there) {
    Event ready;
    world.Record(ready, there);
    world.Wait(ready, here);
    world.Drain(here);
  }
  world.Drain(here);
  const std::uint64_t n = world.Tick(here);
  Use(from, here, n, /*write=*/false, "copy");
  Use(to, here, n, /*write=*/true, "copy");
  ++world.kernels[here];
  world.Count(from.device().index(), here == there ? "copies_on_device" : "copies_between_devices");
  Alias(to).copy_(Alias(from));
  if (here != there) {
    Event done;
    world.Record(done, here);
    world.Wait(done, there);
  }
}

}  // namespace

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  if (from.numel() == 0 && to.numel() == 0) return to;
  const World::Lock lock;
  World::CheckAlive();
  const c10::InferenceMode inference_mode;  // the aliases are nobody else's
  if (OnDevice(from) && OnDevice(to)) {
    CopyOnDevices(from, to);
    if (Recording* const recording = Recording::OfThisThread()) {
      const auto again = [from, to] {
        CopyOnDevices(from, to);
        return torch::jit::Stack{to};
      };
      recording->Add(again, {to});
    }
    return to;
  }
  Recording::Forbid("a copy between host and device");
  World& world = World::Get();
  const bool send = OnDevice(to);
  const at::Tensor& device_side = send ? to : from;
  const at::Tensor& host_side = send ? from : to;
  const int device = device_side.device().index(), stream = CurrentStream(device);
  const bool pinned = IsPinned(host_side.storage().data());
  const std::string what = std::string(send ? "h2d_" : "d2h_") +
                           (pinned ? "pinned_" : "pageable_") +
                           (non_blocking ? "non_blocking" : "blocking");
  world.Count(device, what);
  world.Count(device, send ? "h2d_bytes" : "d2h_bytes",
              static_cast<std::int64_t>(host_side.nbytes()));
  Use(device_side, stream, world.Tick(stream), /*write=*/send, what);

  at::Tensor source = Alias(from);
  const at::Tensor target = Alias(to);
  c10::Storage keeps = host_side.storage();
  const void* const host = keeps.data();
  const void* const block = device_side.storage().data();
  if (non_blocking && send && !pinned) {
    source = source.clone();
    keeps = {};
  }
  if (non_blocking && !world.Touched(target.storage().data())) Poison(target);
  const auto copy = [source, target] {
    const c10::InferenceMode in_order;
    target.copy_(source);
  };
  world.Enqueue(stream, {copy, {host, block}, std::move(keeps)});
  if (!non_blocking) {
    world.Count(device, "stream_synchronisations_of_copies");
    world.SynchroniseStream(stream);
  }
  return to;
}

c10::Scalar ReadScalar(const at::Tensor& tensor) {
  const World::Lock lock;
  World::CheckAlive();
  const c10::InferenceMode inference_mode;
  World& world = World::Get();
  const int device = tensor.device().index(), stream = CurrentStream(device);
  Recording::Forbid("reading a number");
  world.Count(device, "scalars_read");
  Use(tensor, stream, world.Tick(stream), /*write=*/false, "item");
  world.SynchroniseStream(stream);
  return Alias(tensor).item();
}

}  // namespace fake
