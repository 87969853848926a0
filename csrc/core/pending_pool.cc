#include "core/pending_pool.h"

#include <algorithm>
#include <utility>

namespace safeasr::core {
namespace {

// One that has begun is running: only who takes it out of the pool can finish it.
bool IsCancelled(const Request& request) {
  return request.begun ? request.ticket->cancel_requested() : request.ticket->finished();
}

}  // namespace

PendingPool::PendingPool(std::size_t window, std::size_t most_begun)
    : window_(window), most_begun_(most_begun) {
  pending_.reserve(window);
}

void PendingPool::DropCancelled() {
  std::size_t kept = 0;
  for (RequestPtr& request : pending_) {
    if (IsCancelled(*request)) {
      cancelled_.Append(std::move(request));
    } else {
      pending_[kept++] = std::move(request);
    }
  }
  pending_.resize(kept);
}

void PendingPool::Add(RequestPtr request, TimePoint now) {
  if (IsCancelled(*request)) {
    cancelled_.Append(std::move(request));
    return;
  }
  request->unserved_since = now;
  pending_.push_back(std::move(request));
}

void PendingPool::Refill(RequestQueue<RequestPtr>& queue, TimePoint now) {
  DropCancelled();
  std::size_t queued = 0, begun = 0;
  for (const RequestPtr& r : pending_) {
    queued += !r->direct;
    begun += r->begun;
  }
  for (const Request* r = direct_.first(); r != nullptr; r = r->next.get()) begun += r->begun;

  // Room first: once a request has left the queue or the chain, nothing may throw.
  const std::size_t room = begun < most_begun_ && queued < window_ ? window_ - queued : 0;
  const std::size_t most = pending_.size() + direct_.size() + room;
  if (most > pending_.capacity()) pending_.reserve(std::max(most, 2 * pending_.capacity()));

  const std::size_t full = pending_.size() + room;
  RequestPtr request;
  std::size_t came_direct = 0;
  while (pending_.size() < full + came_direct && queue.TryPop(request)) {
    // Both are in the order of their turns: merged, the pool is too.
    while (direct_.size() > 0 && direct_.first()->turn < request->turn) {
      const std::size_t before = pending_.size();
      Add(direct_.TakeFirst(), now);
      came_direct += pending_.size() - before;
    }
    Add(std::move(request), now);
  }
  while (direct_.size() > 0) Add(direct_.TakeFirst(), now);
}

Batch PendingPool::Take(RequestQueue<RequestPtr>& queue, TimePoint now, std::size_t free_workers,
                        TimePoint recordings_from) {
  Batch batch;
  std::lock_guard<std::mutex> lock(mutex_);
  // In this order: once sealed, nothing can be pushed between the refill and the question below.
  const bool sealed = queue.Sealed();
  Refill(queue, now);
  if (pending_.empty()) {
    batch.finished = sealed && expected_ == 0;
    batch.cancelled = std::move(cancelled_);
    return batch;
  }

  candidates_.clear();
  candidates_.reserve(pending_.capacity());
  for (const RequestPtr& r : pending_) {
    candidates_.push_back({r->key, &r->runner->limits(), r->length, r->turn, r->unserved_since,
                           r->deadline, r->begun});
  }
  const BatchDecision decision =
      SelectBatch(candidates_, now, free_workers, queue.closed(), recordings_from);

  // Room first: nothing may throw while requests are on their way from one vector to another.
  batch.requests.reserve(decision.take.size());
  batch.expired.reserve(decision.expired.size());
  for (const std::size_t i : decision.take) batch.requests.push_back(std::move(pending_[i]));
  for (const std::size_t i : decision.expired) batch.expired.push_back(std::move(pending_[i]));
  pending_.erase(std::remove(pending_.begin(), pending_.end(), nullptr), pending_.end());
  if (!batch.requests.empty()) {
    for (const RequestPtr& r : pending_) {
      if (r->key == batch.requests.front()->key) r->unserved_since = now;
    }
  }
  batch.look_again = decision.wait_until;
  batch.cancelled = std::move(cancelled_);
  batch.more = !pending_.empty() || queue.SizeApprox() > 0;
  return batch;
}

bool PendingPool::Enter(const RequestQueue<RequestPtr>& queue, RequestPtr& request) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  // Under the lock: a worker that found nothing and the queue sealed has ended.
  if (queue.closed()) return false;
  direct_.Append(std::move(request));
  return true;
}

void PendingPool::PutBack(RequestChain& requests) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  direct_.Append(requests);
}

bool PendingPool::Expect(const RequestQueue<RequestPtr>& queue) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (queue.closed()) return false;  // as in Enter
  ++expected_;
  return true;
}

void PendingPool::EnterExpected(RequestPtr request) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  --expected_;
  direct_.Append(std::move(request));
}

void PendingPool::StopExpecting() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  --expected_;
}

std::size_t PendingPool::SizeApprox() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return pending_.size() + direct_.size() + expected_;
}

}  // namespace safeasr::core
