// WorkerContext: what a worker thread owns for as long as it lives, such as a device stream and
// thread-local settings. Made and destroyed on the worker's thread.
#pragma once

#include <exception>

#include "core/errors.h"

namespace safeasr::core {

class BatchStop;
class WorkerLoad;

class WorkerContext {
 public:
  WorkerContext() = default;
  virtual ~WorkerContext() = default;
  WorkerContext(const WorkerContext&) = delete;
  WorkerContext& operator=(const WorkerContext&) = delete;

  // Called once, on the worker's thread, before its first batch. Who has nothing to do leaves its
  // share of the machine to the others, and takes it back at any time: look often.
  virtual void Watch(const WorkerLoad& load) { (void)load; }

  // Called after each run of a batch, also after one that threw, on the worker's thread: returns
  // when all that the run queued on the worker's device is done. So nobody, on any thread, ever
  // meets data that a device still reads or writes. May throw what went wrong there.
  virtual void Finish() {}

  // For long runs, on the worker's thread: throws Error when nobody wants the batch that runs any
  // more. The worker then answers each of its requests with the reason: cancelled, past its
  // deadline, closed. Costs next to nothing: call it between the layers of a network. Does nothing
  // outside a run.
  void ThrowIfUnwanted() const;

  // The batch that runs on this context, for a scope. The worker's business.
  class Run {
   public:
    Run(WorkerContext& context, const BatchStop& stop) : context_(context) {
      context_.stop_ = &stop;
    }
    ~Run() { context_.stop_ = nullptr; }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

   private:
    WorkerContext& context_;
  };

  // What an exception of a run means, for the request's ticket. Knows the errors of its device,
  // where this one knows the standard library's. The context may take note of it, and act on it in
  // the next Finish().
  virtual Failure NoteFailure(const std::exception_ptr& error) noexcept;

 private:
  const BatchStop* stop_ = nullptr;  // of the batch that runs
};

}  // namespace safeasr::core
