// Runner: what is done with a batch. The engine knows nothing of models; a runner knows nothing of
// queues, threads or tickets.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/batch_limits.h"
#include "core/ticket.h"
#include "core/worker_context.h"

namespace safeasr::core {

// A caller's data (samples, options). The runner that made it knows the real type.
class Payload {
 public:
  virtual ~Payload() = default;
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
  // company (continuous batching). Nobody else has the payload meanwhile, and the pieces of a
  // request are ordered (each call sees what the one before wrote), so the payload keeps the
  // progress. After a throw the same piece is asked for again: note progress last.
  virtual std::vector<std::shared_ptr<const Result>> Run(
      WorkerContext& context, const std::vector<const Payload*>& batch) const = 0;

  // In place of a result: this request is not done yet. (No result at all is an error.)
  static const std::shared_ptr<const Result>& Unfinished() {
    static const std::shared_ptr<const Result> unfinished = std::make_shared<Result>();
    return unfinished;
  }

  const BatchLimits& limits() const { return limits_; }
  std::uint64_t id() const { return id_; }

 private:
  static std::uint64_t NextId() {
    static std::atomic<std::uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
  }

  const BatchLimits limits_;
  const std::uint64_t id_;
};

}  // namespace safeasr::core
