// Worker: what one thread of an engine does. It takes batches of requests, runs them, and answers.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/dismissal.h"
#include "core/errors.h"
#include "core/intake.h"
#include "core/pending_pool.h"
#include "core/request.h"
#include "core/worker_context.h"
#include "core/worker_load.h"

namespace safeasr::core {

// Takes a request that waited here when the device went out of order; false: nobody can.
using Elsewhere = std::function<bool(RequestPtr&)>;

// What the workers of an engine share.
struct WorkerTeam {
  WorkerTeam(Intake& i, std::size_t workers, Elsewhere e)
      : intake(i), elsewhere(std::move(e)), load(workers) {}

  Intake& intake;
  const Elsewhere elsewhere;
  WorkerLoad load;
  std::atomic<std::size_t> short_of_memory{0};  // busy workers that wait for others' memory
  std::atomic<bool> out_of_order{false};        // the device failed when it was waited for
  std::atomic<bool> cancelling{false};  // the engine closes, and what is not done is to fail
};

class Worker {
 public:
  Worker(WorkerTeam& team, WorkerContext& context)
      : team_(team), context_(context), dismissal_(team.intake.counters, team.cancelling) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Returns when the engine is closed and nothing is left to do for this worker.
  void RunUntilClosed();

 private:
  Batch TakeBatch();
  bool MayEndAfter(const Batch& batch) const;
  void Handle(Batch& batch);
  void Run(std::vector<RequestPtr> requests);
  // Starts the tickets of those that run for the first time; drops those that were cancelled.
  void StartTickets(std::vector<RequestPtr>& requests, TimePoint now);
  void CountBatch(const std::vector<RequestPtr>& requests);
  void CountWait(const Request& request, TimePoint start) noexcept;
  void CountRun(const RequestPtr* requests, std::size_t count, TimePoint start) noexcept;

  // If the device is out of order: gives away what can be run by others.
  void LeaveToOthers(std::vector<RequestPtr>& requests);
  bool GiveAway(RequestPtr& request);

  // Finishes all of them, or puts them back: together, and if that fails, in parts. patience: how
  // long the batch may still wait for memory.
  void RunTogetherOrInParts(RequestPtr* requests, std::size_t count, Duration& patience);
  // A request that did not fit the memory: perhaps it does when others are done.
  bool RunBesideOthers(RequestPtr* request, Failure* failure, Duration& patience);
  // Answers or puts back. False: the runner threw, and nothing was done.
  bool TryRun(RequestPtr* requests, std::size_t count, Failure* failure);
  using Results = std::vector<std::shared_ptr<const Result>>;
  Results CallRunner(const RequestPtr* requests, std::size_t count);
  void Answer(RequestPtr* requests, std::size_t count, Results& results);
  // Whether the device can still be waited for after a run that failed.
  bool DeviceStillFinishes() noexcept;

  std::size_t FreeWorkers() const;

  WorkerTeam& team_;
  WorkerContext& context_;
  Dismissal dismissal_;
  TimePoint recordings_from_ = TimePoint::min();  // see rule 8 in batch_policy.h
};

}  // namespace safeasr::core
