#include "bindings/error_bindings.h"

#include <exception>

#include "core/errors.h"

namespace py = pybind11;

namespace safeasr {
namespace {

const char* ClassName(core::ErrorKind kind) {
  switch (kind) {
    case core::ErrorKind::kInternal:
      return "InferenceError";
    case core::ErrorKind::kInvalidInput:
      return "AudioError";
    case core::ErrorKind::kQueueFull:
      return "QueueFullError";
    case core::ErrorKind::kDeadlineExceeded:
      return "DeadlineExceededError";
    case core::ErrorKind::kCancelled:
      return "CancelledError";
    case core::ErrorKind::kClosed:
      return "EngineClosedError";
    case core::ErrorKind::kForked:
      return "ForkedProcessError";
    case core::ErrorKind::kOutOfMemory:
      return "OutOfMemoryError";
  }
  return "SafeASRError";
}

}  // namespace

void BindErrors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const core::Error& e) {
      const py::object type = py::module_::import("safeasr.errors").attr(ClassName(e.kind()));
      py::set_error(type, e.what());
    }
  });
}

}  // namespace safeasr
