// Nothing here may throw: an exception would end the process, and a request that was taken out of
// the queue must be answered.
#include "core/worker.h"

#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "core/batch_stop.h"

namespace safeasr::core {
namespace {

constexpr Duration kOutOfMemoryPause = std::chrono::milliseconds(10);
// How often a request that does not fit beside others' is tried again, with longer and longer
// pauses; and how long all requests of a batch may wait together, with the others behind them.
constexpr int kOutOfMemoryTries = 5;
constexpr Duration kOutOfMemoryPatience = std::chrono::milliseconds(500);

}  // namespace

std::size_t Worker::FreeWorkers() const {
  const std::size_t busy = team_.load.busy();
  return team_.load.workers() > busy ? team_.load.workers() - busy : 1;
}

Batch Worker::TakeBatch() {
  Intake& intake = team_.intake;
  for (;;) {
    try {
      return intake.pool.Take(intake.queue, Clock::now(), FreeWorkers(), recordings_from_);
    } catch (const std::bad_alloc&) {  // nothing has left the pool; others may free memory
      std::this_thread::sleep_for(kOutOfMemoryPause);
    }
  }
}

// Nothing will come any more. While others run a batch it may come back unfinished: then this
// worker has its share of it.
bool Worker::MayEndAfter(const Batch& batch) const {
  return batch.finished && team_.load.busy() == 0;
}

void Worker::RunUntilClosed() {
  context_.Watch(team_.load);
  RequestQueue<RequestPtr>& queue = team_.intake.queue;
  const auto nothing_to_do = [this](const Batch& batch) {
    return batch.requests.empty() && batch.expired.empty() && !MayEndAfter(batch);
  };
  for (;;) {
    Batch batch = TakeBatch();
    if (nothing_to_do(batch)) {
      Handle(batch);  // dropped requests to count
      const auto key = queue.not_empty().Prepare();
      batch = TakeBatch();
      if (nothing_to_do(batch)) {
        Handle(batch);
        if (queue.closed() && !queue.Sealed()) {
          // A push is still under way: it ends within a few instructions of its thread.
          queue.not_empty().Cancel();
          std::this_thread::yield();
        } else {
          queue.not_empty().WaitUntil(key, batch.look_again.value_or(kNever));
        }
        continue;
      }
      queue.not_empty().Cancel();
    }
    Handle(batch);
    if (MayEndAfter(batch)) {
      // Those who went to sleep again after the queue was closed may end, too.
      queue.not_empty().WakeAll();
      return;
    }
  }
}

void Worker::Handle(Batch& batch) {
  dismissal_.FinishCancelled(batch.cancelled);  // freed before this worker may go to sleep
  for (const RequestPtr& request : batch.expired) dismissal_.Expire(*request);
  if (batch.more && !batch.requests.empty()) team_.intake.queue.not_empty().WakeOne();
  if (!batch.requests.empty()) Run(std::move(batch.requests));
}

void Worker::StartTickets(std::vector<RequestPtr>& requests, TimePoint now) {
  const auto cancelled = [&](const RequestPtr& request) {
    if (request->begun ? request->ticket->cancel_requested() : !request->ticket->TryStart()) {
      dismissal_.FinishCancelled(*request);
      return true;
    }
    if (!request->begun) CountWait(*request, now);
    request->begun = true;
    return false;
  };
  requests.erase(std::remove_if(requests.begin(), requests.end(), cancelled), requests.end());
}

void Worker::LeaveToOthers(std::vector<RequestPtr>& requests) {
  if (!team_.out_of_order || !team_.elsewhere) return;
  std::size_t kept = 0;
  for (RequestPtr& request : requests) {
    if (GiveAway(request)) continue;
    if (Clock::now() < request->deadline) {
      requests[kept++] = std::move(request);
    } else {
      dismissal_.Expire(*request);
    }
  }
  requests.resize(kept);
}

// Only what has not begun: what ran when the device broke may be what broke it, and would go on to
// break the next one.
bool Worker::GiveAway(RequestPtr& request) {
  if (request->begun || request->of_lane) return false;
  Counters& counters = team_.intake.counters;
  // Counted there from now on, and before the answer can be known.
  counters.submitted.fetch_sub(1, std::memory_order_relaxed);
  Count(counters.moved);
  if (team_.elsewhere(request)) return true;
  counters.moved.fetch_sub(1, std::memory_order_relaxed);
  Count(counters.submitted);
  return false;
}

void Worker::Run(std::vector<RequestPtr> requests) {
  const WorkerLoad::Busy busy(team_.load);
  if (team_.cancelling.load(std::memory_order_relaxed)) {
    for (const RequestPtr& request : requests) dismissal_.FailAsClosed(*request);
    return;
  }
  LeaveToOthers(requests);
  StartTickets(requests, Clock::now());
  if (requests.empty()) return;

  CountBatch(requests);
  Duration patience = kOutOfMemoryPatience;
  RunTogetherOrInParts(requests.data(), requests.size(), patience);
}

void Worker::RunTogetherOrInParts(RequestPtr* requests, std::size_t count, Duration& patience) {
  Failure failure;
  if (TryRun(requests, count, &failure)) return;
  Counters& counters = team_.intake.counters;
  if (count == 1) {
    if (failure.kind == ErrorKind::kOutOfMemory && RunBesideOthers(requests, &failure, patience)) {
      return;
    }
    if (dismissal_.EndIfUnwanted(*requests[0])) return;
    Count(counters.failed);
    requests[0]->ticket->Fail(std::move(failure));
    return;
  }
  // It may have thrown because nobody wants it, and who is not wanted need not run again.
  count = dismissal_.EndUnwanted(requests, count);
  if (count == 0) return;
  // Too much at once: in halves. Otherwise somebody in the batch is at fault: alone, each gets what
  // it deserves.
  const bool halve = failure.kind == ErrorKind::kOutOfMemory;
  Count(halve ? counters.halved : counters.retried_alone, halve ? 1 : count);
  const std::size_t step = halve ? (count + 1) / 2 : 1;
  for (std::size_t i = 0; i < count; i += step) {
    // This worker goes on with the next ones, so others may take what came of those before.
    if (i > 0) team_.intake.queue.not_empty().WakeOne();
    RunTogetherOrInParts(requests + i, std::min(step, count - i), patience);
  }
}

bool Worker::RunBesideOthers(RequestPtr* request, Failure* failure, Duration& patience) {
  Duration pause = kOutOfMemoryPause;
  for (int i = 0; i < kOutOfMemoryTries && patience > Duration(0); ++i, pause *= 2) {
    // Those who wait here as well need nothing. The last to come does not wait for them.
    const bool alone = team_.short_of_memory.fetch_add(1) + 1 >= team_.load.busy();
    if (!alone) {
      std::this_thread::sleep_for(pause);
      patience -= pause;
    }
    team_.short_of_memory.fetch_sub(1);
    if (dismissal_.EndIfUnwanted(**request)) return true;
    if (TryRun(request, 1, failure)) return true;
    if (alone || failure->kind != ErrorKind::kOutOfMemory) return false;
  }
  return false;
}

// After a run that failed. What a device says now is a consequence of what is known; but one that
// cannot even be waited for is of no more use.
bool Worker::DeviceStillFinishes() noexcept {
  try {
    context_.Finish();
    return true;
  } catch (...) {
    return false;
  }
}

Worker::Results Worker::CallRunner(const RequestPtr* requests, std::size_t count) {
  const BatchStop stop(requests, count, team_.cancelling);
  const WorkerContext::Run run(context_, stop);
  std::vector<Payload*> payloads;
  payloads.reserve(count);
  for (std::size_t i = 0; i < count; ++i) payloads.push_back(requests[i]->payload.get());
  Results results = requests[0]->runner->Run(context_, payloads);
  context_.Finish();
  if (results.size() != count) {
    throw std::logic_error("the runner returned " + std::to_string(results.size()) +
                           " results for " + std::to_string(count) + " requests");
  }
  if (std::find(results.begin(), results.end(), nullptr) != results.end()) {
    throw std::logic_error("the runner returned no result for a request");
  }
  return results;
}

bool Worker::TryRun(RequestPtr* requests, std::size_t count, Failure* failure) {
  const TimePoint start = Clock::now();
  Results results;
  try {
    results = CallRunner(requests, count);
  } catch (...) {
    *failure = context_.NoteFailure(std::current_exception());
    team_.out_of_order = !DeviceStillFinishes();
    CountRun(requests, count, start);
    return false;
  }
  if (team_.out_of_order) team_.out_of_order = false;
  CountRun(requests, count, start);
  const bool live = requests[0]->key.priority > 0;
  const Duration followed = live ? requests[0]->runner->limits().followed_within : Duration::zero();
  Answer(requests, count, results);
  recordings_from_ = Clock::now() + followed;
  return true;
}

// A ticket is counted before it is finished: whoever has its answer must find it in stats().
void Worker::Answer(RequestPtr* requests, std::size_t count, Results& results) {
  Intake& intake = team_.intake;
  const Intake::LooksNext looks_next(intake);
  const TimePoint now = Clock::now();
  RequestChain unfinished;
  for (std::size_t i = 0; i < count; ++i) {
    if (results[i] != Runner::Unfinished()) continue;
    // Who does not want the rest need not wait for a turn to hear so.
    if (!dismissal_.EndIfUnwanted(*requests[i])) {
      requests[i]->turn = now;
      requests[i]->direct = true;
      unfinished.Append(std::move(requests[i]));
    }
    requests[i].reset();
  }
  if (unfinished.size() > 0) {
    Count(intake.counters.continued, unfinished.size());
    intake.pool.PutBack(unfinished);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!requests[i]) continue;  // was put back, and may be anywhere by now
    Count(intake.counters.completed);
    requests[i]->ticket->Resolve(std::move(results[i]));
  }
}

}  // namespace safeasr::core
