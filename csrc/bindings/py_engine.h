// The engine as Python holds it, and the one way in that all kinds of requests share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/py_ticket.h"
#include "core/engine_group.h"
#include "core/meter.h"
#include "core/runner.h"
#include "runtime/device_context.h"

namespace safeasr {

class PyEngine {
 public:
  // An engine of these options for each of the devices (ParseDevices).
  PyEngine(core::EngineOptions options, const std::string& devices,
           runtime::IntraOpThreads threads);
  ~PyEngine();
  PyEngine(const PyEngine&) = delete;
  PyEngine& operator=(const PyEngine&) = delete;

  core::EngineGroup& engine() { return *engine_; }
  const std::vector<at::Device>& devices() const { return devices_; }

 private:
  std::vector<at::Device> devices_;  // of each engine
  std::unique_ptr<core::EngineGroup> engine_;
};

// Samples (n,) of a caller's array, copied with the GIL released. Throws core::Error for another
// shape and for samples that are NaN or infinite.
std::vector<float> CopySamples(const FloatArray& samples);

// On which terms a request goes to the engine.
struct Terms {
  std::optional<double> deadline_s;    // from now
  std::optional<double> wait_s;        // for room in the queue; none: as long as it takes
  bool direct = false;                 // a later stage of what was accepted: never waits for room
  bool live = false;                   // with the priority of live streams
  std::shared_ptr<core::Meter> meter;  // of the work that it belongs to; may be null
};

// Calls `submit` with the GIL released; a Ctrl-C while it waits for room arrives.
std::shared_ptr<PyTicket> SubmitWith(
    std::int64_t length, const Terms& terms,
    const std::function<std::shared_ptr<core::Ticket>(const core::SubmitOptions&)>& submit);

// SubmitWith to the engine: to its queue, or past it if the terms say so.
std::shared_ptr<PyTicket> Submit(PyEngine& engine, std::shared_ptr<const core::Runner> runner,
                                 std::unique_ptr<core::Payload> payload, std::int64_t length,
                                 const Terms& terms);

}  // namespace safeasr
