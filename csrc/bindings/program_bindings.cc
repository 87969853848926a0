#include "bindings/program_bindings.h"

#include <c10/core/InferenceMode.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/observing_bindings.h"
#include "bindings/registry.h"
#include "core/batch_limits.h"
#include "core/clock.h"
#include "core/runner.h"
#include "runtime/cpu_features.h"
#include "runtime/device_graph.h"
#include "runtime/devices.h"
#include "runtime/program.h"
#include "runtime/tensor_runner.h"

namespace py = pybind11;

namespace safeasr {
namespace {

core::BatchLimits MakeLimits(std::size_t max_requests, std::int64_t max_cost, double max_padding,
                             double max_wait_ms, bool share, int live_priority, bool ragged,
                             double followed_within_ms) {
  core::BatchLimits limits;
  limits.max_requests = max_requests;
  limits.max_cost = max_cost;
  limits.max_padding = max_padding;
  limits.max_wait = std::chrono::duration_cast<core::Duration>(
      std::chrono::duration<double, std::milli>(max_wait_ms));
  limits.share_among_free_workers = share;
  limits.live_priority = live_priority;
  limits.ragged = ragged;
  limits.followed_within = std::chrono::duration_cast<core::Duration>(
      std::chrono::duration<double, std::milli>(followed_within_ms));
  return limits;
}

py::object TensorsToPython(const runtime::TensorResult& result) {
  py::list out;
  for (const at::Tensor& tensor : result.outputs) out.append(ToArray(tensor));
  return std::move(out);
}

const RegisterResult<runtime::TensorResult> tensor_result_registered(&TensorsToPython);

}  // namespace

void BindRunners(py::module_& module) {
  module.def("cpu_supports", &runtime::CpuSupports, py::arg("precision"),
             "Whether this processor computes linear layers of a precision at speed.");
  module.def(
      "graphs_supported",
      [](const std::string& device) { return runtime::DeviceGraph::Supported(at::Device(device)); },
      py::arg("device"), "Whether steps can be recorded as graphs on a device, by this build.");
  const core::BatchLimits defaults;
  py::class_<core::BatchLimits>(module, "BatchLimits", "How large a batch may become.")
      .def(py::init(&MakeLimits), py::kw_only(), py::arg("max_requests") = defaults.max_requests,
           py::arg("max_cost") = defaults.max_cost, py::arg("max_padding") = defaults.max_padding,
           py::arg("max_wait_ms") = 0.0, py::arg("share") = defaults.share_among_free_workers,
           py::arg("live_priority") = defaults.live_priority, py::arg("ragged") = defaults.ragged,
           py::arg("followed_within_ms") = 0.0)
      .def_readonly("max_requests", &core::BatchLimits::max_requests)
      .def_readonly("max_cost", &core::BatchLimits::max_cost)
      .def_readonly("max_padding", &core::BatchLimits::max_padding)
      .def_readonly("live_priority", &core::BatchLimits::live_priority)
      .def_readonly("ragged", &core::BatchLimits::ragged)
      .def_readonly("share", &core::BatchLimits::share_among_free_workers);

  // Held without const: pybind11's holders know no pointers to const. Nothing in Python writes.
  py::class_<runtime::Program, std::shared_ptr<runtime::Program>>(
      module, "Program", "An exported network, loaded; immutable.")
      .def_static(
          "load",
          [](const std::string& path, const std::string& device, bool pack_weights) {
            const GilRelease release;
            return std::const_pointer_cast<runtime::Program>(
                runtime::Program::Load(path, {runtime::ParseDevices(device), pack_weights}));
          },
          py::arg("path"), py::arg("device") = "cpu", py::arg("pack_weights") = true,
          "Load a program file on a device, or on each of several (\"cuda:0,cuda:1\"); ValueError "
          "when it cannot be read.")
      .def(
          "run",
          [](const runtime::Program& self, const std::vector<py::array>& inputs) {
            std::vector<runtime::ProgramInput> tensors;
            for (const py::array& input : inputs) tensors.emplace_back(ToTensor(input));
            std::vector<at::Tensor> outputs;
            {
              const GilRelease release;
              const c10::InferenceMode inference_mode;
              outputs = self.Run(tensors);
            }
            std::vector<py::array> arrays;
            for (const at::Tensor& output : outputs) arrays.push_back(ToArray(output));
            return arrays;
          },
          py::arg("inputs"),
          "Run once on the calling thread: arrays of float32 or int64 in, arrays out.");

  py::class_<core::Runner, std::shared_ptr<core::Runner>>(
      module, "Runner", "What an engine does with a batch of requests.")
      .def_property_readonly("id", &core::Runner::id)
      .def(
          "stats",
          [](const core::Runner& self) {
            const core::RunnerCounters& counters = self.counters();
            py::dict out;
            out["queue_time"] = HistogramToPython(counters.queue_time);
            out["run_time"] = HistogramToPython(counters.run_time);
            return out;
          },
          "What its requests cost, on all engines.");

  py::class_<runtime::TensorRunner, core::Runner, std::shared_ptr<runtime::TensorRunner>>(
      module, "TensorRunner", "Serves any program that maps padded batches to tensors.")
      .def(py::init([](std::shared_ptr<runtime::Program> program, const core::BatchLimits& limits) {
             return std::make_shared<runtime::TensorRunner>(std::move(program), limits);
           }),
           py::arg("program").none(false), py::arg("limits") = core::BatchLimits());
}

}  // namespace safeasr
