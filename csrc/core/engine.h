// Engine: worker threads that turn requests into results.
//
// The way of a request: Submit -> RequestQueue (lock-free) -> PendingPool -> SelectBatch (policy)
// -> Runner::Run on a worker -> Ticket. Every accepted request's ticket is finished exactly once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/counters.h"
#include "core/pending_pool.h"
#include "core/request.h"
#include "core/request_queue.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::core {

struct EngineOptions {
  std::size_t workers = 1;        // threads that run batches
  std::size_t queue_size = 1024;  // requests that may wait; more are refused or made to wait
};

struct SubmitOptions {
  std::int64_t length = 1;               // cost in the runner's unit
  std::uint64_t options_key = 0;         // requests of one runner share a batch only if these agree
  TimePoint deadline = kNever;           // after this the request is not started any more
  TimePoint give_up = TimePoint::min();  // how long Submit may wait for room; default: not at all
  // Asked about 20 times a second while Submit waits for room, with no lock held; true ends the
  // wait with ErrorKind::kCancelled. May be empty.
  std::function<bool()> interrupted;
};

enum class CloseMode {
  kDrain,   // finish everything that was accepted
  kCancel,  // finish what runs, fail what waits with ErrorKind::kClosed
};

class Engine {
 public:
  using ContextFactory = std::function<std::unique_ptr<WorkerContext>(std::size_t worker)>;

  // Starts the workers and waits until each has its context. If one cannot start, stops the others
  // and throws what it threw. Throws std::invalid_argument for zero workers or queue size.
  Engine(EngineOptions options, const ContextFactory& make_context);
  // Close(kCancel). In a forked child: lets go of everything without touching it.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws Error with kQueueFull, kClosed, kDeadlineExceeded, kCancelled (interrupted) or kForked,
  // std::invalid_argument without a runner, or what `interrupted` threw; then nothing was accepted.
  std::shared_ptr<Ticket> Submit(std::shared_ptr<const Runner> runner,
                                 std::unique_ptr<const Payload> payload,
                                 const SubmitOptions& options);

  // Returns when all workers have ended. May be called from several threads, not from a worker.
  // In a forked child the workers do not exist: returns at once.
  void Close(CloseMode mode) { CloseUntil(mode, kNever); }

  // The same, but waits no longer than until the deadline. False: workers still run, and go on
  // closing; call again to wait for them.
  bool CloseUntil(CloseMode mode, TimePoint deadline);

  bool closed() const { return state_->queue.closed(); }
  bool forked() const;
  std::size_t workers() const { return workers_count_; }
  std::size_t queue_capacity() const { return state_->queue.capacity(); }
  std::size_t Waiting() const;  // accepted and not yet in a batch; 0 in a forked child
  std::size_t Busy() const { return busy_.load(std::memory_order_relaxed); }
  const Counters& counters() const { return counters_; }

 private:
  // What the workers lock, sleep on and take from. Apart from the rest because a forked child must
  // leave it alone: it is a snapshot of what the workers were doing just then. Its locks may be
  // held, its containers half changed, and glibc's condition variables wait in their destructor
  // for sleepers that exist in the parent only.
  struct State {
    explicit State(const EngineOptions& options);
    RequestQueue<RequestPtr> queue;
    PendingPool pool;
    std::mutex join_mutex;  // guards `threads`
    std::vector<std::thread> threads;
    std::mutex alive_mutex;  // guards `alive`
    std::condition_variable ended;
    std::size_t alive = 0;  // workers that have not ended
  };

  PushResult Push(RequestPtr& request, const SubmitOptions& options);
  void StartWorker(std::size_t worker, const ContextFactory& make_context,
                   std::promise<void> promise);

  // engine_worker.cc
  void WorkerLoop(WorkerContext& context);
  Batch Take();
  void RunBatch(WorkerContext& context, std::vector<RequestPtr> requests);
  // False: the runner threw, and nothing was resolved.
  bool TryRun(WorkerContext& context, const RequestPtr* requests, std::size_t count,
              Failure* failure);
  // Fails requests that never ran. One that was cancelled before is counted as that.
  void FailUnstarted(const std::vector<RequestPtr>& requests, ErrorKind kind, const char* message,
                     std::atomic<std::uint64_t>& counter);
  std::size_t FreeWorkers() const;

  const std::size_t workers_count_;
  const int owner_pid_;
  std::unique_ptr<State> state_;
  Counters counters_;
  std::atomic<std::size_t> busy_{0};
  std::atomic<bool> cancel_waiting_{false};
};

}  // namespace safeasr::core
