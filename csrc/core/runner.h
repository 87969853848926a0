// Runner: what is done with a batch. The engine knows nothing of models; a runner knows nothing of
// queues, threads or tickets.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/batch_limits.h"
#include "core/duration_histogram.h"
#include "core/ticket.h"
#include "core/worker_context.h"

namespace safeasr::core {

// A request's data: what its caller gave (samples, options), which stays as it is, and how far a
// runner has come with it. The runner that made it knows the real type.
class Payload {
 public:
  virtual ~Payload() = default;
};

// What the requests of one runner cost, on all engines that it runs on. Written by workers.
struct RunnerCounters {
  DurationHistogram queue_time;  // of each request, from submit to the start of its first batch
  DurationHistogram run_time;    // of each batch
};

class Runner {
 public:
  explicit Runner(BatchLimits limits) : limits_(limits), id_(NextId()) {}
  virtual ~Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // One result for each payload, in their order. Called from many workers at once. If it throws,
  // the engine runs each request of the batch again by itself, so that one bad request fails alone;
  // a core::Error keeps its kind, anything else becomes what the worker's context says. A batch
  // that did not fit the memory (ErrorKind::kOutOfMemory) is run again in halves.
  //
  // A runner may do one piece of each request and answer Unfinished() for those that have more: the
  // engine queues them up again behind all others that wait, and the next call may bring other
  // company (continuous batching). The payloads are the runner's to write to for the time of the
  // call: nobody else has them, and the pieces of a request are ordered (each call sees what the
  // one before wrote), so a payload keeps its progress. After a throw the same piece is asked for
  // again: note progress last.
  virtual std::vector<std::shared_ptr<const Result>> Run(
      WorkerContext& context, const std::vector<Payload*>& batch) const = 0;

  // In place of a result: this request is not done yet. (No result at all is an error.) Told by its
  // address; asking for it needs no memory, for workers ask where nothing may throw.
  static const std::shared_ptr<const Result>& Unfinished() noexcept;

  const BatchLimits& limits() const { return limits_; }
  std::uint64_t id() const { return id_; }
  RunnerCounters& counters() const { return counters_; }

 private:
  static std::uint64_t NextId() {
    static std::atomic<std::uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
  }

  const BatchLimits limits_;
  const std::uint64_t id_;
  mutable RunnerCounters counters_;  // no part of what it does
};

}  // namespace safeasr::core
