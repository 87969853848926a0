// The extension module. Files of this folder are the only ones that know Python.
#include <pybind11/pybind11.h>

#include "asr/ops/operators.h"
#include "bindings/engine_bindings.h"
#include "bindings/error_bindings.h"
#include "bindings/frontend_bindings.h"
#include "bindings/observing_bindings.h"
#include "bindings/program_bindings.h"
#include "bindings/py_ticket.h"
#include "bindings/registry.h"

namespace py = pybind11;

// Nothing here relies on the GIL as a lock: shared state is in the core, behind its own.
PYBIND11_MODULE(_ext, module, py::mod_gil_not_used()) {
  module.doc() = "safeasr's engine: queue, batching, workers, programs, decoding.";
  safeasr::asr::RegisterOperators();  // programs name them
  safeasr::BindErrors(module);
  safeasr::BindFrontend(module);
  safeasr::BindTicket(module);
  safeasr::BindObserving(module);
  safeasr::BindRunners(module);
  safeasr::BindEngine(module);
  for (const auto bind : safeasr::RegisteredBindings()) bind(module);
}
