// Streams and events.
#include <chrono>
#include <string>

#include "world.h"

using fake_cuda::Call;
using fake_cuda::CurrentDevice;
using fake_cuda::StreamOf;
using fake_cuda::World;

namespace {

// How often an event is not over yet.
constexpr int kNotYet = 2;

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

// Nobody may wait for, or ask after, a stream that records.
cudaError_t Waitable(World& world, CUstream_st* stream, const char* name) {
  if (!stream->capture) return cudaSuccess;
  stream->capture->invalid = true;
  world.Complain(std::string(name) + " of a stream that records");
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t Waitable(World& world, cudaEvent_t event, const char* name) {
  if (!event->capture) return cudaSuccess;
  world.Complain(std::string(name) + " of an event that is part of a recording");
  return cudaErrorCapturedEvent;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned /*flags*/, int priority) {
  return Call([&](World& world) {
    *stream = new CUstream_st;
    (*stream)->device = CurrentDevice();
    (*stream)->priority = priority;
    world.streams.push_back(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, 0, 0);
}

// Its handle stays good: streams of torch's pool are never destroyed.
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return Call([&](World& /*world*/) {
    *priority = StreamOf(stream)->priority;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t given) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    if (const cudaError_t error = Waitable(world, stream, "cudaStreamQuery")) return error;
    const bool ready = stream->late.empty();
    stream->Drain();
    return ready ? cudaSuccess : cudaErrorNotReady;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t given) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    const bool is_default = stream == world.default_stream[stream->device];
    world.Count(is_default ? "waits for a default stream" : "waits for a stream");
    if (const cudaError_t error = Waitable(world, stream, "cudaStreamSynchronize")) return error;
    stream->Drain();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return Call([&](World& world) {
    world.Count("waits for a device");
    for (CUstream_st* const stream : world.streams) {
      if (stream->device != CurrentDevice()) continue;
      if (const cudaError_t error = Waitable(world, stream, "cudaDeviceSynchronize")) return error;
      stream->Drain();
    }
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t given, cudaEvent_t event, unsigned /*flags*/) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    world.Count("waits of streams");
    if (stream->capture != event->capture) {
      if (stream->capture) stream->capture->invalid = true;
      world.Complain("a wait between what is recorded and what is not");
      return cudaErrorStreamCaptureIsolation;
    }
    if (event->stream != nullptr && !event->capture) event->stream->Drain(event->until);
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return Call([&](World& /*world*/) {
    StreamOf(stream)->Enqueue([function, data] { function(data); });
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  return Call([&](World& world) {
    *event = new CUevent_st;
    (*event)->device = CurrentDevice();
    world.Count("events");
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const auto lock = World::Get().Hold();
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t given, unsigned /*flags*/) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    if (event->device != stream->device) {
      world.Complain("an event of another device than its stream");
      return cudaErrorInvalidResourceHandle;
    }
    *event = {event->device, stream, stream->queued, 0, Now(), stream->capture};
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, 0);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return Call([&](World& world) {
    if (const cudaError_t error = world.Unsafe("cudaEventQuery")) return error;
    if (const cudaError_t error = Waitable(world, event, "cudaEventQuery")) return error;
    if (event->stream == nullptr || event->stream->done >= event->until) return cudaSuccess;
    if (event->asked++ < kNotYet) return cudaErrorNotReady;
    event->stream->Drain(event->until);
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return Call([&](World& world) {
    world.Count("waits for an event");
    if (const cudaError_t error = Waitable(world, event, "cudaEventSynchronize")) return error;
    if (event->stream != nullptr) event->stream->Drain(event->until);
    return cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  return Call([&](World& /*world*/) {
    *ms = static_cast<float>(end->at_ms - start->at_ms);
    return cudaSuccess;
  });
}
}
