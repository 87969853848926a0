// What streams record, and what is replayed.
#include <algorithm>
#include <utility>

#include "world.h"

using fake_cuda::Call;
using fake_cuda::Capture;
using fake_cuda::CaptureMode;
using fake_cuda::Fail;
using fake_cuda::StreamOf;
using fake_cuda::World;

extern "C" {

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t given, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** nodes,
                                     const cudaGraphEdgeData** /*edges*/, std::size_t* count) {
  return Call([&](World& /*world*/) {
    const auto& capture = StreamOf(given)->capture;
    *status = !capture           ? cudaStreamCaptureStatusNone
              : capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
    if (id != nullptr) *id = capture ? capture->id : 0;
    if (graph != nullptr) *graph = nullptr;
    if (nodes != nullptr) *nodes = nullptr;
    if (count != nullptr) *count = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return cudaStreamGetCaptureInfo(stream, status, nullptr, nullptr, nullptr, nullptr, nullptr);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, CaptureMode());
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t given, cudaStreamCaptureMode mode) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    if (stream == world.default_stream[stream->device] || stream->capture) {
      world.Complain("a stream that cannot record, or does, is to begin");
      return stream->capture ? cudaErrorIllegalState : cudaErrorStreamCaptureUnsupported;
    }
    stream->Drain();
    stream->capture = std::make_shared<Capture>(
        Capture{++world.last_capture, mode, std::this_thread::get_id(), stream->device});
    world.captures.push_back(stream->capture);
    world.Count("recordings begun");
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t given, cudaGraph_t* graph) {
  return Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    *graph = nullptr;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (!capture) return cudaErrorIllegalState;
    if (capture->mode != cudaStreamCaptureModeRelaxed &&
        capture->owner != std::this_thread::get_id()) {
      world.Complain("a recording ends in another thread than it began");
      return cudaErrorStreamCaptureWrongThread;
    }
    stream->capture.reset();
    auto& going_on = world.captures;
    going_on.erase(std::remove(going_on.begin(), going_on.end(), capture), going_on.end());
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    world.Count("recordings made");
    *graph = new CUgraph_st{capture->work};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* /*nodes*/, std::size_t* count) {
  *count = graph->work.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* instance, cudaGraph_t graph,
                                          unsigned long long /*flags*/) {
  return Call([&](World& /*world*/) {
    *instance = new CUgraphExec_st{graph->work};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
  delete instance;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t given) {
  const cudaError_t error = Call([&](World& world) {
    CUstream_st* const stream = StreamOf(given);
    if (stream->capture) {
      world.Complain("a graph is launched on a stream that records");
      return cudaErrorStreamCaptureUnsupported;
    }
    stream->Drain();
    world.Count("replays");
    return cudaSuccess;
  });
  if (error != cudaSuccess) return error;
  // Not behind the lock: what computes may use many threads, and takes its time.
  for (const fake_cuda::Work& work : instance->work) work();
  return cudaSuccess;
}

cudaError_t cudaGraphDebugDotPrint(cudaGraph_t /*graph*/, const char* /*path*/,
                                   unsigned /*flags*/) {
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t /*node*/, cudaGraphNode_t* /*nodes*/,
                                         cudaGraphEdgeData* /*edges*/, std::size_t* count) {
  *count = 0;
  return cudaSuccess;
}
}
