// Python's view of a ticket.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "core/ticket.h"

namespace safeasr {

struct PyTicket {
  explicit PyTicket(std::shared_ptr<core::Ticket> t) : ticket(std::move(t)), owner_pid(getpid()) {}
  std::shared_ptr<core::Ticket> ticket;
  int owner_pid;  // in a forked child nobody will ever finish it
};

// Finished by Python: the result of what takes several requests, or what a reader waits for.
struct PyPromise : PyTicket {
  PyPromise() : PyTicket(std::make_shared<core::Ticket>()) {}
};

void BindTicket(pybind11::module_& module);

}  // namespace safeasr
