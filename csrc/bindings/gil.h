// Letting go of the GIL, safely also while the interpreter shuts down.
#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#if defined(__linux__)
#include <sys/syscall.h>
#else
#include <pthread.h>
#endif
#include <unistd.h>

#include <chrono>

namespace safeasr {

inline bool InterpreterIsFinalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Releases the GIL for a scope. A daemon thread that comes back while the interpreter is finalizing
// must not touch it any more: before Python 3.14 taking the GIL then ends the thread by unwinding
// it, and the unwinding may meet another exception on its way out of this scope, which terminates
// the process. Such a thread sleeps instead, and ends with the process. The finalizing thread
// itself keeps the GIL (in finalizers it is the only one that can have it): it could not get it
// back.
class GilRelease {
 public:
  GilRelease() : state_(InterpreterIsFinalizing() ? nullptr : PyEval_SaveThread()) {}
  ~GilRelease() {
    if (state_ == nullptr) return;
    if (InterpreterIsFinalizing()) SleepForever();
#if defined(__GLIBCXX__)
    try {
      PyEval_RestoreThread(state_);
    } catch (abi::__forced_unwind&) {  // finalizing began after the question above
      SleepForever();
    }
#else
    PyEval_RestoreThread(state_);
#endif
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  [[noreturn]] static void SleepForever() {
    for (;;) pause();
  }

  PyThreadState* const state_;
};

// How often a wait on the main thread looks for signals.
inline constexpr auto kSignalCheck = std::chrono::milliseconds(50);

// True on the one thread that Python delivers signals to: the process's first, and in a forked
// child the one that forked. Not by asking Python, whose threads may be greenlets.
inline bool IsMainPythonThread() {
#if defined(__linux__)
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() != 0;
#endif
}

// Runs Python's signal handlers if any are due; throws what they raise (KeyboardInterrupt).
inline void CheckSignals() {
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

}  // namespace safeasr
