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
#include "core/runner.h"
#include "runtime/device_context.h"

namespace safeasr {

class PyEngine {
 public:
  // An engine with that many workers, and such a queue, for each of the devices (ParseDevices).
  PyEngine(std::size_t num_workers, std::size_t queue_size, const std::string& devices,
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

struct SubmitLimits {
  std::optional<double> deadline_s;  // from now
  std::optional<double> wait_s;      // for room in the queue; none: as long as it takes
};

// Calls `submit` with the GIL released; a Ctrl-C while it waits for room arrives.
std::shared_ptr<PyTicket> SubmitWith(
    std::int64_t length, const SubmitLimits& limits,
    const std::function<std::shared_ptr<core::Ticket>(const core::SubmitOptions&)>& submit);

// SubmitWith to the engine's queue.
std::shared_ptr<PyTicket> Submit(PyEngine& engine, std::shared_ptr<const core::Runner> runner,
                                 std::unique_ptr<core::Payload> payload, std::int64_t length,
                                 const SubmitLimits& limits);

}  // namespace safeasr
