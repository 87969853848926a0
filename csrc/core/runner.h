// Runner: what is done with a batch. The engine knows nothing of models; a runner knows nothing of
// queues, threads or tickets.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "core/batch_limits.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/ticket.h"

namespace safeasr::core {

// A caller's data (samples, options). The runner that made it knows the real type.
class Payload {
 public:
  virtual ~Payload() = default;
};

// How many of an engine's workers run a batch, and ran one lately.
//
// Who was idle for a moment is not out of work: batches that take each other's cores between two
// arrivals finish later, both. So what counts is the most that were busy at once not long ago.
class WorkerLoad {
 public:
  static constexpr Duration kRemembered = std::chrono::milliseconds(200);

  explicit WorkerLoad(std::size_t workers) : workers_(workers) {}
  WorkerLoad(const WorkerLoad&) = delete;
  WorkerLoad& operator=(const WorkerLoad&) = delete;

  std::size_t workers() const { return workers_; }
  std::size_t busy() const { return busy_.load(); }
  // Of a machine that the workers share in equal parts, how many parts each busy one may use.
  std::size_t Share(TimePoint now = Clock::now()) const {
    std::size_t most = std::max<std::size_t>(busy(), 1);
    if (now.time_since_epoch().count() < remembered_until_.load()) {
      most = std::max(most, peak_.load());
    }
    return most >= workers_ ? 1 : workers_ / most;
  }

  // Counts a worker as busy for a scope.
  class Busy {
   public:
    explicit Busy(WorkerLoad& load) : load_(load) {
      load_.busy_.fetch_add(1);
      load_.Remember(Clock::now());
    }
    ~Busy() {
      load_.Remember(Clock::now());
      load_.busy_.fetch_sub(1);
    }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    WorkerLoad& load_;
  };

 private:
  // Two workers may forget each other's peak here: it costs a batch some cores for a moment.
  void Remember(TimePoint now) {
    const std::size_t busy_now = busy();
    const Duration::rep count = now.time_since_epoch().count();
    if (busy_now < peak_.load() && count < remembered_until_.load()) return;
    peak_.store(busy_now);
    remembered_until_.store(busy_now > 1 ? count + kRemembered.count() : 0);
  }

  const std::size_t workers_;
  std::atomic<std::size_t> busy_{0}, peak_{0};
  std::atomic<Duration::rep> remembered_until_{0};
};

// What a worker thread owns for as long as it lives: a device stream, thread-local settings.
class WorkerContext {
 public:
  virtual ~WorkerContext() = default;

  // Called once, on the worker's thread, before its first batch. Who has nothing to do leaves its
  // share of the machine to the others, and takes it back at any time: look often.
  virtual void Watch(const WorkerLoad& load) { (void)load; }

  // Called after each run of a batch, also after one that threw, on the worker's thread: returns
  // when all that the run queued on the worker's device is done. So nobody, on any thread, ever
  // meets data that a device still reads or writes. May throw what went wrong there.
  virtual void Finish() {}

  // What an exception of a run means. Knows the errors of its device, where this one knows the
  // standard library's.
  virtual Failure Describe(const std::exception_ptr& error) const noexcept;
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
