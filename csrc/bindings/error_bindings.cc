#include "bindings/error_bindings.h"

#include <exception>

#include "core/errors.h"

namespace py = pybind11;

namespace safeasr {

void BindErrors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const core::Error& e) {
      const py::object type = py::module_::import("safeasr.errors").attr(core::NameOf(e.kind()));
      py::set_error(type, e.what());
    }
  });
}

}  // namespace safeasr
