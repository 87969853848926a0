// Request: what a caller hands to the engine. Owned by exactly one thread; what a caller gave does
// not change any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

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
  TimePoint arrival{};      // when it was submitted
  TimePoint deadline = kNever;
  std::unique_ptr<Payload> payload;
  std::shared_ptr<Ticket> ticket;
  bool of_lane = false;  // what it goes on from lies on this engine's device

  // What the engine notes on the way.
  TimePoint turn{};            // when it queued up for its next run: at first its arrival
  TimePoint unserved_since{};  // its key had no turn since, though this request was in the window
  bool begun = false;          // a runner had it before: its ticket is running
  bool direct = false;         // came to the pool past the queue: from a lane, or put back
  std::unique_ptr<Request> next;  // see RequestChain
};

using RequestPtr = std::unique_ptr<Request>;

// Requests in a row, linked through themselves: to append one needs no memory and cannot fail,
// which a request that was accepted relies on. Empty it before it goes.
class RequestChain {
 public:
  RequestChain() = default;
  RequestChain(const RequestChain&) = delete;
  RequestChain& operator=(const RequestChain&) = delete;

  void Append(RequestPtr request) noexcept {
    RequestPtr& end = last_ == nullptr ? first_ : last_->next;
    last_ = request.get();
    end = std::move(request);
    ++size_;
  }

  // Empties the other.
  void Append(RequestChain& other) noexcept {
    while (RequestPtr request = other.TakeFirst()) Append(std::move(request));
  }

  // Null when empty.
  RequestPtr TakeFirst() noexcept {
    RequestPtr request = std::move(first_);
    if (!request) return request;
    first_ = std::move(request->next);
    if (!first_) last_ = nullptr;
    --size_;
    return request;
  }

  const Request* first() const noexcept { return first_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  RequestPtr first_;
  Request* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace safeasr::core
