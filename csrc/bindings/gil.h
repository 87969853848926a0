// Letting go of the GIL, safely also while the interpreter shuts down.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace safeasr {

inline bool InterpreterIsFinalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Releases the GIL for a scope. A daemon thread that comes back while the interpreter is finalizing
// must not touch it any more: before Python 3.14 taking the GIL would end the thread in the middle
// of C++ frames. It sleeps instead, and ends with the process.
class GilRelease {
 public:
  GilRelease() : state_(PyEval_SaveThread()) {}
  ~GilRelease() noexcept(false) {  // taking the GIL may unwind this thread by force
    if (InterpreterIsFinalizing()) {
      for (;;) pause();
    }
    PyEval_RestoreThread(state_);
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* const state_;
};

// True on the one thread that Python delivers signals to.
bool IsMainPythonThread();

// Runs Python's signal handlers if any are due; throws what they raise (KeyboardInterrupt).
inline void CheckSignals() {
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

}  // namespace safeasr
