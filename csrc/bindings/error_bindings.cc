#include "bindings/error_bindings.h"

#include <exception>
#include <string>
#include <system_error>

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
    } catch (const std::system_error& e) {
      // The rest are ours to mend, and pybind11 says them as RuntimeError.
      if (e.code() != std::errc::resource_unavailable_try_again) throw;
      const std::string text = "the system starts no more threads: " + std::string(e.what());
      py::set_error(py::module_::import("safeasr.errors").attr("OutOfMemoryError"), text.c_str());
    }
  });
}

}  // namespace safeasr
