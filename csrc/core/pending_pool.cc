#include "core/pending_pool.h"

#include <algorithm>
#include <utility>

namespace safeasr::core {

void PendingPool::Refill(RequestQueue<RequestPtr>& queue) {
  const auto cancelled = [this](const RequestPtr& r) {
    const bool yes = r->ticket->finished();
    dropped_ += yes;
    return yes;
  };
  pending_.erase(std::remove_if(pending_.begin(), pending_.end(), cancelled), pending_.end());
  RequestPtr request;
  while (pending_.size() < window_ && queue.TryPop(request)) {
    if (!cancelled(request)) pending_.push_back(std::move(request));
  }
}

Batch PendingPool::Take(RequestQueue<RequestPtr>& queue, TimePoint now, std::size_t free_workers) {
  Batch batch;
  std::lock_guard<std::mutex> lock(mutex_);
  // In this order: once sealed, nothing can be pushed between the refill and the question below.
  const bool sealed = queue.Sealed();
  Refill(queue);
  if (pending_.empty()) {
    batch.finished = sealed;
    batch.cancelled = std::exchange(dropped_, 0);
    return batch;
  }

  std::vector<Candidate> candidates;
  candidates.reserve(pending_.size());
  for (const RequestPtr& r : pending_) {
    candidates.push_back({r->key, r->length, r->arrival, r->deadline});
  }
  // The batch will be of the oldest live request's kind, so its runner's limits hold: one that has
  // expired before it may belong to another runner.
  const auto live = std::find_if(pending_.begin(), pending_.end(),
                                 [&](const RequestPtr& r) { return r->deadline > now; });
  const RequestPtr& oldest = live != pending_.end() ? *live : pending_.front();
  BatchDecision decision =
      SelectBatch(candidates, now, oldest->runner->limits(), free_workers, queue.closed());

  // Room first: nothing may throw while requests are on their way from one vector to another.
  batch.requests.reserve(decision.take.size());
  batch.expired.reserve(decision.expired.size());
  for (const std::size_t i : decision.take) batch.requests.push_back(std::move(pending_[i]));
  for (const std::size_t i : decision.expired) batch.expired.push_back(std::move(pending_[i]));
  pending_.erase(std::remove(pending_.begin(), pending_.end(), nullptr), pending_.end());
  batch.look_again = decision.wait_until;
  batch.cancelled = std::exchange(dropped_, 0);
  batch.more = !pending_.empty() || queue.SizeApprox() > 0;
  return batch;
}

std::size_t PendingPool::SizeApprox() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return pending_.size();
}

}  // namespace safeasr::core
