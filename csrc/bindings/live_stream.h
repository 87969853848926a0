// A live stream as Python holds it, for families that are fed samples.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "asr/live/stream_request.h"
#include "bindings/py_engine.h"
#include "core/lane.h"

namespace safeasr {

// Any number of threads may submit: the lane keeps the order.
template <class Runner, class Stream>
class PyLiveStream {
 public:
  // cost: of a request, in rows.
  PyLiveStream(std::shared_ptr<const Runner> runner, PyEngine& engine,
               std::shared_ptr<Stream> stream, std::int64_t cost, std::size_t max_waiting)
      : runner_(std::move(runner)),
        stream_(std::move(stream)),
        cost_(cost),
        lane_(engine.engine().MakeLane(max_waiting)) {}

  std::shared_ptr<PyTicket> Submit(const FloatArray& samples, bool is_final, const Terms& terms) {
    auto request =
        std::make_unique<asr::StreamRequest<Stream>>(stream_, CopySamples(samples), is_final);
    return SubmitWith(cost_, terms, [&](const core::SubmitOptions& options) {
      return lane_->Submit(runner_, std::move(request), options);
    });
  }

  std::size_t Waiting() const { return lane_->Waiting(); }

  static void Bind(pybind11::module_& module, const char* name) {
    namespace py = pybind11;
    py::class_<PyLiveStream, std::shared_ptr<PyLiveStream>>(module, name, "A live stream.")
        .def("submit", &PyLiveStream::Submit, py::arg("samples").noconvert(), py::kw_only(),
             py::arg("is_final") = false, py::arg("terms") = Terms(),
             "Queue the next samples (n,), float32, behind those submitted before.")
        .def_property_readonly("waiting", &PyLiveStream::Waiting);
  }

 private:
  const std::shared_ptr<const Runner> runner_;
  const std::shared_ptr<Stream> stream_;
  const std::int64_t cost_;
  const std::shared_ptr<core::Lane> lane_;
};

}  // namespace safeasr
