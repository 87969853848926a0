#include "bindings/test_bindings.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asr/live/slab_pool.h"
#include "runtime/device_graph.h"
#include "runtime/device_ways.h"
#include "runtime/step_graphs.h"

namespace py = pybind11;

namespace safeasr {
namespace {

// A pool of rows on the CPU, as tests take and give back its slots.
struct PySlot {
  std::shared_ptr<const asr::Slot> slot;
};

}  // namespace

void BindDevices(py::module_& module) {
  module.def("force_device_ways", &asr::ForceDeviceWays, py::arg("force"),
             "Send the CPU the way of other devices, in the whole process; for tests.");
  module.def(
      "graphs_supported",
      [](const std::string& device) { return runtime::DeviceGraph::Supported(at::Device(device)); },
      py::arg("device"), "Whether steps can be recorded as graphs on a device, by this build.");
  module.def("keep_slower_graphs", &runtime::StepGraphs::KeepSlower, py::arg("keep"),
             "Keep graphs that are no faster, in the whole process; for tests and benchmarks.");
  py::class_<PySlot>(module, "Slot", "Rows of a SlabPool; for tests.")
      .def_property_readonly("first", [](const PySlot& self) { return self.slot->first; })
      .def_property_readonly("capacity", [](const PySlot& self) { return self.slot->capacity; })
      .def_property_readonly(
          "slab",
          [](const PySlot& self) {
            return reinterpret_cast<std::uintptr_t>(self.slot->slab.unsafeGetTensorImpl());
          })
      .def("fill",
           [](const PySlot& self, double value) {
             const c10::InferenceMode as_in_workers;
             self.slot->Rows().fill_(value);
           })
      .def("total",
           [](const PySlot& self) {
             const c10::InferenceMode as_in_workers;
             return self.slot->Rows().sum().item<double>();
           })
      .def("copy", [](const PySlot& self) {
        const c10::InferenceMode as_in_workers;
        return PySlot{self.slot->Copy()};
      });
  py::class_<asr::SlabPool, std::shared_ptr<asr::SlabPool>>(
      module, "SlabPool", "Rows of many streams in few tensors; for tests.")
      .def(py::init(
               [](std::vector<std::int64_t> front, std::int64_t size, std::int64_t first_slots) {
                 return std::make_shared<asr::SlabPool>(std::move(front), size, at::kFloat,
                                                        first_slots);
               }),
           py::arg("front"), py::arg("size"), py::arg("first_slots"))
      .def(
          "take",
          [](asr::SlabPool& self, std::int64_t capacity, const std::string& device) {
            return PySlot{self.Take(capacity, at::Device(device))};
          },
          py::arg("capacity"), py::arg("device") = "cpu")
      .def("usage", [](const asr::SlabPool& self) {
        const auto usage = self.usage();
        return py::make_tuple(usage.slabs, usage.slots, usage.taken);
      });
}

}  // namespace safeasr
