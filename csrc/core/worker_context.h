// WorkerContext: what a worker thread owns for as long as it lives, such as a device stream and
// thread-local settings. Made and destroyed on the worker's thread.
#pragma once

#include <exception>

#include "core/errors.h"

namespace safeasr::core {

class WorkerLoad;

class WorkerContext {
 public:
  virtual ~WorkerContext() = default;

  // Called once, on the worker's thread, before its first batch. Who has nothing to do leaves its
  // share of the machine to the others, and takes it back at any time: look often.
  virtual void Watch(const WorkerLoad& load) { (void)load; }

  // Called after each run of a batch, also after one that threw, on the worker's thread: returns
  // when all that the run queued on the worker's device is done. So nobody, on any thread, ever
  // meets data that a device still reads or writes. May throw what went wrong there.
  virtual void Finish() {}

  // What an exception of a run means. Knows the errors of its device, where this one knows the
  // standard library's.
  virtual Failure Describe(const std::exception_ptr& error) const noexcept;
};

}  // namespace safeasr::core
