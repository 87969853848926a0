// PendingPool: the window of requests that workers choose batches from. Workers drain the lock-free
// queue into it. Two kinds of requests enter it directly, bypassing the queue: live work, which
// must not wait behind recordings, and what belongs to work that was accepted before (unfinished
// requests, later stages). The lock is held for moments only, and is the last to be taken: nothing
// that locks is called under it, and no request is destroyed under it, for its payload may have to
// wait for a device.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "core/batch_policy.h"
#include "core/request.h"
#include "core/request_queue.h"

namespace safeasr::core {

struct Batch {
  std::vector<RequestPtr> requests;  // to run; one key
  std::vector<RequestPtr> expired;   // to fail: their deadline has passed
  // To drop: cancelled while they waited, or between two pieces; the tickets of the latter are
  // still running.
  RequestChain cancelled;
  std::optional<TimePoint> look_again;  // nothing to run now, but something will be then
  bool more = false;                    // requests were left for other workers
  bool finished = false;  // the queue is closed, all was handed out, and no lane holds more
};

class PendingPool {
 public:
  // At most `window` requests of the queue's wait here at a time (its bound does not count them),
  // and none are let in while `most_begun` unfinished ones wait: each of those holds state.
  explicit PendingPool(std::size_t window, std::size_t most_begun = 1024);

  // May throw std::bad_alloc: then no request has left the pool, and it can be called again.
  Batch Take(RequestQueue<RequestPtr>& queue, TimePoint now, std::size_t free_workers,
             TimePoint recordings_from = TimePoint::min());

  // A new request that bypasses the queue. False when the queue is closed: then it stays the
  // caller's.
  bool Enter(const RequestQueue<RequestPtr>& queue, RequestPtr& request) noexcept;

  // Unfinished requests, to be taken again behind those that wait.
  void PutBack(RequestChain& requests) noexcept;

  // A request begins to wait in a lane: the workers do not end before it has come here, by
  // EnterExpected, or will never come, by StopExpecting. False when the queue is closed: then it
  // must not be accepted.
  bool Expect(const RequestQueue<RequestPtr>& queue) noexcept;
  void EnterExpected(RequestPtr request) noexcept;
  void StopExpecting() noexcept;

  std::size_t SizeApprox() const;  // with those expected

 private:
  void DropCancelled();
  void Refill(RequestQueue<RequestPtr>& queue, TimePoint now);
  void Add(RequestPtr request, TimePoint now);

  const std::size_t window_, most_begun_;
  mutable std::mutex mutex_;
  std::vector<RequestPtr> pending_;    // in the order of their turns
  std::vector<Candidate> candidates_;  // what the policy knows of them; for Take alone
  RequestChain direct_;                // bypassed the queue, not yet in `pending_`
  RequestChain cancelled_;             // left `pending_` since the last batch told of them
  std::size_t expected_ = 0;           // wait in lanes
};

}  // namespace safeasr::core
