// Which way operators take, and what lies beneath programs and live streams; for tests and
// benchmarks.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <pybind11/stl.h>
#include <torch/library.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asr/live/slab_pool.h"
#include "bindings/gil.h"
#include "bindings/registry.h"
#include "runtime/intra_op_threads.h"
#include "runtime/step_graphs.h"
#include "runtime/tensor_op_path.h"

namespace py = pybind11;

namespace safeasr {
namespace {

// A pool of rows on the CPU, as tests take and give back its slots.
struct PySlot {
  std::shared_ptr<const asr::Slot> slot;
};

// Layers of networks that tests watch: safeasr::watched_layer(Tensor) -> Tensor, which is slow and
// gives what it is given.
struct WatchedLayers {
  std::atomic<int> calls{0}, most_threads{0}, sleep_ms{0};
} watched;

at::Tensor WatchedLayer(const at::Tensor& x) {
  watched.calls.fetch_add(1);
  const int threads = at::get_num_threads();
  int most = watched.most_threads.load();
  while (threads > most && !watched.most_threads.compare_exchange_weak(most, threads)) {
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(watched.sleep_ms.load()));
  return x.clone();
}

void WatchLayers(int sleep_ms) {
  static const auto library = [] {
    torch::Library made(torch::Library::FRAGMENT, "safeasr", std::nullopt, __FILE__, __LINE__);
    made.def("watched_layer(Tensor x) -> Tensor", &WatchedLayer);
    return made;
  }();
  watched.calls = 0;
  watched.most_threads = 0;
  watched.sleep_ms = sleep_ms;
}

void BindDevices(py::module_& module) {
  module.def("watch_layers", &WatchLayers, py::arg("sleep_ms") = 0,
             "Let programs name safeasr::watched_layer, and begin to count; for tests.");
  module.def(
      "watched_layers",
      [] { return py::make_tuple(watched.calls.load(), watched.most_threads.load()); },
      "How many ran since watch_layers(), and the most threads that one of them could use.");
  module.def(
      "set_intra_op_threads",
      [](int threads) {
        const GilRelease release;
        runtime::SetIntraOpThreadsForThisThread(threads);
      },
      py::arg("threads"), "As every thread that loads a program does; for tests.");
  module.def("force_tensor_op_path", &runtime::ForceTensorOpPath, py::arg("force"),
             "Send the CPU the way of other devices, in the whole process; for tests.");
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

const Registered devices_registered(&BindDevices);

}  // namespace
}  // namespace safeasr
