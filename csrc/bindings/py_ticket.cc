#include "bindings/py_ticket.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>

#include "bindings/completion_queue.h"
#include "bindings/gil.h"
#include "bindings/registry.h"
#include "core/call_record.h"
#include "core/errors.h"

namespace py = pybind11;

namespace safeasr {
namespace {

void RequireOwnProcess(const PyTicket& self) {
  if (getpid() != self.owner_pid) {
    throw core::Error(core::ErrorKind::kForked,
                      "the request was made before the process forked; its result stays with the "
                      "parent process");
  }
}

// Waits with the GIL released. On the main thread it comes back now and then, so that Ctrl-C works.
bool Wait(const PyTicket& self, std::optional<double> timeout_s) {
  RequireOwnProcess(self);
  if (self.ticket->finished()) return true;
  const auto deadline = timeout_s ? core::After(core::Clock::now(), *timeout_s) : core::kNever;
  const bool main = IsMainPythonThread();
  for (;;) {
    bool finished;
    {
      const GilRelease release;
      const auto slice = core::Clock::now() + kSignalCheck;
      finished = self.ticket->WaitUntil(main ? std::min(deadline, slice) : deadline);
    }
    if (main) CheckSignals();
    if (finished) return true;
    if (core::Clock::now() >= deadline) return false;
  }
}

const char* StateName(const PyTicket& self) {
  switch (self.ticket->state()) {
    case core::TicketState::kQueued:
      return "queued";
    case core::TicketState::kRunning:
      return "running";
    case core::TicketState::kDone:
      return "done";
    case core::TicketState::kFailed:
      return "failed";
    case core::TicketState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

}  // namespace

void BindTicket(py::module_& module) {
  py::class_<CompletionQueue, std::shared_ptr<CompletionQueue>>(
      module, "CompletionQueue", "Tokens of finished tickets, for one thread that waits for them.")
      .def(py::init<>())
      .def(
          "get",
          [](CompletionQueue& self) {
            const GilRelease release;
            return self.Get();
          },
          "The next token, or None once the queue is closed and empty.")
      .def("close", &CompletionQueue::Close);

  module.def(
      "thread_id", [] { return PyThread_get_thread_ident(); },
      "Of the calling thread of the operating system, whatever Python's threads are.");

  py::class_<PyTicket, std::shared_ptr<PyTicket>>(module, "Ticket", "The future of one request.")
      .def("wait", &Wait, py::arg("timeout_s") = py::none(),
           "Wait until finished; False when timeout_s seconds passed first.")
      .def("finished", [](const PyTicket& self) { return self.ticket->finished(); })
      .def(
          "cancel",
          [](const PyTicket& self) {
            // Its lock may be held by a thread of the parent, whose request it is.
            return getpid() == self.owner_pid && self.ticket->Cancel();
          },
          "True when it was still waiting and will not run. False in a forked child.")
      .def_property_readonly("state", &StateName)
      .def_property_readonly(
          "finished_s",
          [](const PyTicket& self) -> std::optional<double> {
            if (!self.ticket->finished()) return std::nullopt;
            return core::Seconds(self.ticket->finished_at().time_since_epoch());
          },
          "When it was finished, of Python's monotonic clock, which is the same one; None before.")
      .def(
          "get",
          [](const PyTicket& self) {
            RequireOwnProcess(self);
            return ToPython(*self.ticket->Get());
          },
          "The result of a finished request; raises what it failed with.")
      .def(
          "announce",
          [](const PyTicket& self, std::shared_ptr<CompletionQueue> queue, std::uint64_t token) {
            RequireOwnProcess(self);  // nobody would finish it, and its lock may be held for ever
            self.ticket->AddDoneCallback(
                [queue = std::move(queue), place = CompletionQueue::PlaceFor(token)]() mutable {
                  queue->Put(place);
                });
          },
          py::arg("queue"), py::arg("token"), "Put `token` into `queue` when finished.");

  py::class_<PyPromise, PyTicket, std::shared_ptr<PyPromise>>(
      module, "Promise", "A ticket that Python finishes, and that has no value of its own.")
      .def(py::init<>())
      .def(
          "start", [](const PyPromise& self) { return self.ticket->TryStart(); },
          "From now on it cannot be cancelled. False when it was before.")
      .def(
          "finish",
          [](const PyPromise& self, std::optional<std::string> failed) {
            std::shared_ptr<const core::Result> result;
            if (failed) {
              result = std::make_shared<core::FailedElsewhere>(std::move(*failed));
            } else {
              result = std::make_shared<core::Result>();
            }
            return self.ticket->Resolve(std::move(result));
          },
          py::arg("failed") = py::none(),
          "False when it is finished already. failed: the class of the error that stands for a "
          "result; get() does not raise it.")
      .def(
          "get",
          [](const PyPromise& self) {
            RequireOwnProcess(self);
            (void)self.ticket->Get();
          },
          "Nothing; raises CancelledError if it was cancelled.");
}

}  // namespace safeasr
