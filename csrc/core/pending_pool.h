// PendingPool: the window of requests that workers choose batches from. Workers drain the lock-free
// queue into it; the lock is only ever taken by workers that are free, never by callers.
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
  std::vector<RequestPtr> requests;     // to run; one key
  std::vector<RequestPtr> expired;      // to fail: their deadline has passed
  std::optional<TimePoint> look_again;  // nothing to run now, but something will be then
  std::size_t cancelled = 0;            // dropped: their tickets were cancelled while they waited
  bool more = false;                    // requests were left for other workers
  bool finished = false;                // the queue is closed and everything in it was handed out
};

class PendingPool {
 public:
  // At most `window` requests lie outside the queue at a time; the queue's bound does not count
  // them.
  explicit PendingPool(std::size_t window) : window_(window) { pending_.reserve(window); }

  // May throw std::bad_alloc: then no request has left the pool, and it can be called again.
  Batch Take(RequestQueue<RequestPtr>& queue, TimePoint now, std::size_t free_workers);

  std::size_t SizeApprox() const;

 private:
  void Refill(RequestQueue<RequestPtr>& queue);

  const std::size_t window_;
  mutable std::mutex mutex_;
  std::vector<RequestPtr> pending_;  // in order of arrival; never grows beyond its first reserve
  std::size_t dropped_ = 0;          // cancelled requests dropped since the last batch told of them
};

}  // namespace safeasr::core
