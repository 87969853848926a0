// Request: what a caller hands to the engine. Immutable after the push, owned by exactly one
// thread.
#pragma once

#include <cstdint>
#include <memory>

#include "core/clock.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::core {

// Requests with equal keys may share a batch. Numbers, so that comparing costs nothing: the
// runner's id, and the id under which the runner knows the options that must agree within a batch.
struct BatchKey {
  std::uint64_t runner = 0;
  std::uint64_t options = 0;

  friend bool operator==(const BatchKey& a, const BatchKey& b) {
    return a.runner == b.runner && a.options == b.options;
  }
  friend bool operator!=(const BatchKey& a, const BatchKey& b) { return !(a == b); }
};

struct Request {
  BatchKey key;
  std::shared_ptr<const Runner> runner;
  std::int64_t length = 1;  // what the request costs, in the runner's unit (frames); at least 1
  TimePoint arrival{};
  TimePoint deadline = kNever;
  std::unique_ptr<const Payload> payload;
  std::shared_ptr<Ticket> ticket;
};

using RequestPtr = std::unique_ptr<Request>;

}  // namespace safeasr::core
