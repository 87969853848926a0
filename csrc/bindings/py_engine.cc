#include "bindings/py_engine.h"

#include <utility>

#include "asr/features/frontend.h"
#include "bindings/gil.h"
#include "core/clock.h"
#include "core/errors.h"
#include "runtime/device_context.h"
#include "runtime/devices.h"

namespace py = pybind11;

namespace safeasr {

PyEngine::PyEngine(core::EngineOptions options, const std::string& devices,
                   runtime::IntraOpThreads threads) {
  const GilRelease release;
  devices_ = runtime::ParseDevices(devices);
  engine_ = std::make_unique<core::EngineGroup>(
      devices_.size(), options, [&](std::size_t i, std::size_t) {
        return std::make_unique<runtime::DeviceContext>(devices_[i], threads);
      });
}

PyEngine::~PyEngine() {
  // Joins the workers. They never wait for the GIL, but others may want it meanwhile.
  const GilRelease release;
  engine_.reset();
}

std::vector<float> CopySamples(const FloatArray& samples) {
  if (samples.ndim() != 1) {
    throw core::Error(
        core::ErrorKind::kInvalidInput,
        "expected samples (n,), got " + std::to_string(samples.ndim()) + " dimensions");
  }
  const c10::ArrayRef<float> view(samples.data(), static_cast<std::size_t>(samples.size()));
  const GilRelease release;
  if (!asr::AllFinite(view)) {
    throw core::Error(core::ErrorKind::kInvalidInput, "a sample is NaN or infinite");
  }
  return view.vec();
}

std::shared_ptr<PyTicket> SubmitWith(
    std::int64_t length, const Terms& terms,
    const std::function<std::shared_ptr<core::Ticket>(const core::SubmitOptions&)>& submit) {
  const auto now = core::Clock::now();
  core::SubmitOptions options;
  options.length = length;
  options.deadline = terms.deadline_s ? core::After(now, *terms.deadline_s) : core::kNever;
  options.give_up = terms.wait_s ? core::After(now, *terms.wait_s) : core::kNever;
  options.direct = terms.direct;
  options.meter = terms.meter;
  if (IsMainPythonThread()) {
    options.interrupted = [] {
      const py::gil_scoped_acquire acquire;
      return PyErr_CheckSignals() != 0;
    };
  }
  try {
    const GilRelease release;
    return std::make_shared<PyTicket>(submit(options));
  } catch (const core::Error&) {
    if (PyErr_Occurred()) throw py::error_already_set();
    throw;
  }
}

std::shared_ptr<PyTicket> Submit(PyEngine& engine, std::shared_ptr<const core::Runner> runner,
                                 std::unique_ptr<core::Payload> payload, std::int64_t length,
                                 const Terms& terms) {
  return SubmitWith(length, terms, [&](core::SubmitOptions options) {
    if (terms.live) options.priority = runner->limits().live_priority;
    return engine.engine().Submit(std::move(runner), std::move(payload), options);
  });
}

}  // namespace safeasr
