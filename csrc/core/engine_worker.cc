// What a worker thread of the engine does. Nothing here may throw: an exception would end the
// process, and a request that was taken out of the queue must be answered.
#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/engine.h"

namespace safeasr::core {
namespace {

constexpr auto kOutOfMemoryPause = std::chrono::milliseconds(10);

// Without memory for the message the kind still arrives.
Failure MakeFailure(ErrorKind kind, const char* message) noexcept {
  try {
    return {kind, message};
  } catch (const std::bad_alloc&) {
    return {kind, std::string()};
  }
}

Failure Describe(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return MakeFailure(e.kind(), e.what());
  } catch (const std::exception& e) {
    return MakeFailure(ErrorKind::kInternal, e.what());
  } catch (...) {
    return MakeFailure(ErrorKind::kInternal,
                       "the runner threw something that is no std::exception");
  }
}

// Counts a worker as busy for a scope.
class BusyScope {
 public:
  explicit BusyScope(std::atomic<std::size_t>& busy) : busy_(busy) { busy_.fetch_add(1); }
  ~BusyScope() { busy_.fetch_sub(1); }
  BusyScope(const BusyScope&) = delete;
  BusyScope& operator=(const BusyScope&) = delete;

 private:
  std::atomic<std::size_t>& busy_;
};

void Count(std::atomic<std::uint64_t>& counter, std::uint64_t n = 1) {
  counter.fetch_add(n, std::memory_order_relaxed);
}

}  // namespace

std::size_t Engine::FreeWorkers() const {
  const std::size_t busy = busy_.load(std::memory_order_relaxed);
  return workers_count_ > busy ? workers_count_ - busy : 1;
}

Batch Engine::Take() {
  for (;;) {
    try {
      return state_->pool.Take(state_->queue, Clock::now(), FreeWorkers());
    } catch (const std::bad_alloc&) {  // nothing has left the pool; others may free memory
      std::this_thread::sleep_for(kOutOfMemoryPause);
    }
  }
}

void Engine::WorkerLoop(WorkerContext& context) {
  RequestQueue<RequestPtr>& queue = state_->queue;
  const auto act = [&](Batch& batch) {
    Count(counters_.cancelled, batch.cancelled);
    FailUnstarted(batch.expired, ErrorKind::kDeadlineExceeded,
                  "the deadline passed while the request was waiting in the queue",
                  counters_.expired);
    if (batch.more && !batch.requests.empty()) queue.not_empty().WakeOne();
    if (!batch.requests.empty()) RunBatch(context, std::move(batch.requests));
  };
  for (;;) {
    Batch batch = Take();
    if (!batch.requests.empty() || !batch.expired.empty()) {
      act(batch);
      continue;
    }
    act(batch);  // nothing to run, but dropped requests to count
    if (batch.finished) return;
    const auto key = queue.not_empty().Prepare();
    batch = Take();
    if (!batch.requests.empty() || !batch.expired.empty() || batch.finished) {
      queue.not_empty().Cancel();
      act(batch);
      if (batch.finished) return;
      continue;
    }
    act(batch);
    if (queue.closed()) {
      // Closing, but a push is still under way: it ends within a few instructions of its thread.
      queue.not_empty().Cancel();
      std::this_thread::yield();
      continue;
    }
    queue.not_empty().WaitUntil(key, batch.look_again.value_or(kNever));
  }
}

void Engine::FailUnstarted(const std::vector<RequestPtr>& requests, ErrorKind kind,
                           const char* message, std::atomic<std::uint64_t>& counter) {
  for (const RequestPtr& request : requests) {
    // Started first, so that no cancel can come between the count and the answer.
    if (!request->ticket->TryStart()) {
      Count(counters_.cancelled);
      continue;
    }
    Count(counter);
    request->ticket->Fail(MakeFailure(kind, message));
  }
}

// A ticket is counted before it is finished: whoever has its answer must find it in stats().
void Engine::RunBatch(WorkerContext& context, std::vector<RequestPtr> requests) {
  const BusyScope busy(busy_);
  if (cancel_waiting_.load(std::memory_order_relaxed)) {
    FailUnstarted(requests, ErrorKind::kClosed, "the model was closed before the request ran",
                  counters_.failed);
    return;
  }

  const TimePoint start = Clock::now();
  const auto cancelled =
      std::remove_if(requests.begin(), requests.end(),
                     [](const RequestPtr& request) { return !request->ticket->TryStart(); });
  Count(counters_.cancelled, static_cast<std::uint64_t>(requests.end() - cancelled));
  requests.erase(cancelled, requests.end());
  if (requests.empty()) return;

  std::uint64_t longest = 0, sum = 0;
  for (const RequestPtr& request : requests) {
    const auto length = static_cast<std::uint64_t>(request->length);
    longest = std::max(longest, length);
    sum += length;
    counters_.queue_time.Add(start - request->arrival);
  }
  Count(counters_.batches);
  Count(counters_.batched_requests, requests.size());
  Count(counters_.batch_length, sum);
  Count(counters_.batch_cost, requests.size() * longest);

  Failure failure;
  if (!TryRun(context, requests.data(), requests.size(), &failure)) {
    // With several, somebody in the batch is at fault. Alone, each gets what it deserves.
    const bool alone = requests.size() == 1;
    for (const RequestPtr& request : requests) {
      if (!alone) {
        Count(counters_.retried_alone);
        if (TryRun(context, &request, 1, &failure)) continue;
      }
      Count(counters_.failed);
      request->ticket->Fail(std::move(failure));
    }
  }
}

bool Engine::TryRun(WorkerContext& context, const RequestPtr* requests, std::size_t count,
                    Failure* failure) {
  const TimePoint start = Clock::now();
  std::vector<std::shared_ptr<const Result>> results;
  try {
    std::vector<const Payload*> payloads;
    payloads.reserve(count);
    for (std::size_t i = 0; i < count; ++i) payloads.push_back(requests[i]->payload.get());
    results = requests[0]->runner->Run(context, payloads);
    if (results.size() != count) {
      throw std::logic_error("the runner returned " + std::to_string(results.size()) +
                             " results for " + std::to_string(count) + " requests");
    }
    if (std::find(results.begin(), results.end(), nullptr) != results.end()) {
      throw std::logic_error("the runner returned no result for a request");
    }
  } catch (...) {
    *failure = Describe(std::current_exception());
    counters_.run_time.Add(Clock::now() - start);
    return false;
  }
  counters_.run_time.Add(Clock::now() - start);
  for (std::size_t i = 0; i < count; ++i) {
    Count(counters_.completed);
    requests[i]->ticket->Resolve(std::move(results[i]));
  }
  return true;
}

}  // namespace safeasr::core
