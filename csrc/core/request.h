// Request: what a caller hands to the engine. Owned by exactly one thread; what a caller gave does
// not change any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/clock.h"
#include "core/meter.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::core {

// Requests with equal keys may share a batch. Numbers, so that comparing costs nothing: the
// runner's id, the id under which the runner knows the options that must agree within a batch, and
// the priority. Of what is ready, the highest priority runs first; live work and recordings of one
// runner share no batch, or the recordings would hold up the live work that they share it with.
struct BatchKey {
  std::uint64_t runner = 0;
  std::uint64_t options = 0;
  int priority = 0;

  friend bool operator==(const BatchKey& a, const BatchKey& b) {
    return a.runner == b.runner && a.options == b.options && a.priority == b.priority;
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
  std::shared_ptr<Meter> meter;  // of the work that it belongs to; may be null
  bool of_lane = false;          // what it goes on from lies on this engine's device

  // What the engine notes on the way.
  TimePoint turn{};            // when it queued up for its next run: at first its arrival
  TimePoint unserved_since{};  // its key had no turn since, though this request was in the window
  bool begun = false;          // a runner had it before: its ticket is running
  bool direct = false;         // comes to the pool bypassing the queue
  std::unique_ptr<Request> next;  // see RequestChain
};

using RequestPtr = std::unique_ptr<Request>;

// Requests in a row, linked through themselves: to append one needs no memory and cannot fail,
// which a request that was accepted relies on.
class RequestChain {
 public:
  RequestChain() = default;
  RequestChain(RequestChain&& other) noexcept { Swap(other); }
  RequestChain& operator=(RequestChain&& other) noexcept {
    RequestChain taken(std::move(other));
    Swap(taken);
    return *this;
  }
  // One by one: left to themselves they would go recursively, and a long chain ends the stack.
  ~RequestChain() {
    while (TakeFirst()) continue;
  }

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
  void Swap(RequestChain& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(size_, other.size_);
  }

  RequestPtr first_;
  Request* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace safeasr::core
