#include "bindings/engine_bindings.h"

#include <ATen/ATen.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/py_engine.h"
#include "bindings/py_ticket.h"
#include "core/counters.h"
#include "core/engine_group.h"
#include "runtime/tensor_runner.h"

namespace py = pybind11;

namespace safeasr {
namespace {

std::shared_ptr<PyTicket> SubmitTensor(PyEngine& self,
                                       std::shared_ptr<runtime::TensorRunner> runner,
                                       const FloatArray& values, const Terms& terms) {
  if (values.ndim() != 2) {
    throw core::Error(
        core::ErrorKind::kInvalidInput,
        "expected an array (time, size), got " + std::to_string(values.ndim()) + " dimensions");
  }
  auto payload = std::make_unique<runtime::TensorPayload>();
  payload->values = at::empty({values.shape(0), values.shape(1)}, at::kFloat);
  std::copy_n(values.data(), values.size(), payload->values.data_ptr<float>());
  return Submit(self, std::move(runner), std::move(payload), values.shape(0), terms);
}

using Counter = std::atomic<std::uint64_t> core::Counters::*;

// Counters by name. Sums over the engines of several devices.
constexpr std::pair<const char*, Counter> kCounters[] = {
    {"submitted", &core::Counters::submitted},
    {"completed", &core::Counters::completed},
    {"failed", &core::Counters::failed},
    {"cancelled", &core::Counters::cancelled},
    {"expired", &core::Counters::expired},
    {"rejected", &core::Counters::rejected},
    {"moved", &core::Counters::moved},
    {"batches", &core::Counters::batches},
    {"batched_requests", &core::Counters::batched_requests},
    {"retried_alone", &core::Counters::retried_alone},
    {"halved", &core::Counters::halved},
    {"batch_length", &core::Counters::batch_length},
    {"batch_cost", &core::Counters::batch_cost},
};

py::dict StatsOf(const core::Engine& engine) {
  const core::Counters& c = engine.counters();
  py::dict out;
  out["workers"] = engine.workers();
  out["busy_workers"] = engine.Busy();
  out["queue_size"] = engine.queue_capacity();
  out["waiting"] = engine.Waiting();
  out["out_of_order"] = static_cast<int>(engine.out_of_order());
  for (const auto& [name, counter] : kCounters) out[name] = (c.*counter).load();
  out["queue_seconds"] = c.queue_time.TotalSeconds();
  out["run_seconds"] = c.run_time.TotalSeconds();
  out["live_queue_seconds"] = c.live_queue_time.TotalSeconds();
  out["live_run_seconds"] = c.live_run_time.TotalSeconds();
  out["lanes"] = engine.Lanes();
  return out;
}

py::dict Stats(PyEngine& self) {
  const core::EngineGroup& group = self.engine();
  py::dict out;
  py::list devices;
  core::DurationHistogram::Counts queue_time{}, run_time{}, live_queue_time{}, live_run_time{};
  for (std::size_t i = 0; i < group.size(); ++i) {
    py::dict of_engine = StatsOf(group[i]);
    for (const auto& [name, value] : of_engine) {
      const auto here = py::reinterpret_borrow<py::object>(value);
      out[name] = i == 0 ? here : py::object(out[name]) + here;
    }
    of_engine["device"] = self.devices()[i].str();
    devices.append(of_engine);
    group[i].counters().queue_time.AddTo(&queue_time);
    group[i].counters().run_time.AddTo(&run_time);
    group[i].counters().live_queue_time.AddTo(&live_queue_time);
    group[i].counters().live_run_time.AddTo(&live_run_time);
  }
  out["queue_time_us_log2"] = queue_time;
  out["run_time_us_log2"] = run_time;
  out["live_queue_time_us_log2"] = live_queue_time;
  out["live_run_time_us_log2"] = live_run_time;
  out["devices"] = devices;
  return out;
}

}  // namespace

void BindEngine(py::module_& module) {
  py::class_<Terms>(module, "Terms", "On which terms a request goes to the engine.")
      .def(py::init([](std::optional<double> deadline_s, std::optional<double> wait_s, bool direct,
                       bool live, std::shared_ptr<core::Meter> meter) {
             return Terms{deadline_s, wait_s, direct, live, std::move(meter)};
           }),
           py::kw_only(), py::arg("deadline_s") = py::none(), py::arg("wait_s") = py::none(),
           py::arg("direct") = false, py::arg("live") = false, py::arg("meter") = py::none(),
           "deadline_s: seconds from now after which it is not started. wait_s: how long to wait "
           "for room (None: as long as it takes). direct: it belongs to what was accepted before, "
           "so it does not wait. live: it goes before recordings. meter: learns when it waits and "
           "runs.");
  py::class_<PyEngine, std::shared_ptr<PyEngine>>(
      module, "Engine", "Worker threads, their queue, and the batching across callers.")
      .def(py::init([](std::size_t num_workers, std::size_t queue_size, std::size_t max_streams,
                       const std::string& device, int intra_op_threads, int idle_threads) {
             return std::make_shared<PyEngine>(
                 core::EngineOptions{num_workers, queue_size, max_streams}, device,
                 runtime::IntraOpThreads{intra_op_threads, idle_threads});
           }),
           py::kw_only(), py::arg("num_workers"), py::arg("queue_size"),
           py::arg("max_streams") = core::EngineOptions().max_lanes, py::arg("device") = "cpu",
           py::arg("intra_op_threads") = 1, py::arg("idle_threads") = 1)
      .def("submit_tensor", &SubmitTensor, py::arg("runner").none(false),
           py::arg("values").noconvert(), py::kw_only(), py::arg("terms") = Terms(),
           "Queue one float32 array (time, size) for a TensorRunner.")
      .def(
          "close",
          [](PyEngine& self, bool drain) {
            const auto mode = drain ? core::CloseMode::kDrain : core::CloseMode::kCancel;
            const bool main = IsMainPythonThread();
            for (bool closed = false; !closed;) {
              {
                const GilRelease release;
                const auto slice = core::Clock::now() + kSignalCheck;
                closed = self.engine().CloseUntil(mode, main ? slice : core::kNever);
              }
              if (main) CheckSignals();  // the workers go on closing
            }
          },
          py::arg("drain") = true,
          "Stop. drain: finish what was accepted; otherwise fail what still waits.")
      .def_property_readonly("closed", [](PyEngine& self) { return self.engine().closed(); })
      .def_property_readonly("forked", [](PyEngine& self) { return self.engine().forked(); })
      .def("stats", &Stats);
}

}  // namespace safeasr
