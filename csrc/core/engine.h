// Engine: worker threads that turn requests into results.
//
// The way of a request: Submit -> RequestQueue (lock-free; live work and later stages bypass it) ->
// PendingPool -> SelectBatch (policy)
// -> Runner::Run on a Worker -> Ticket, or back into the pool while it is unfinished. Every
// accepted request's ticket is finished exactly once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/intake.h"
#include "core/worker.h"

namespace safeasr::core {

class Lane;

struct EngineOptions {
  std::size_t workers = 1;        // threads that run batches
  std::size_t queue_size = 1024;  // requests that may wait; more are refused or made to wait
  std::size_t max_lanes = 16384;  // that may be open at a time; more are refused
};

enum class CloseMode {
  kDrain,  // finish everything that was accepted, in lanes too
  // Fail what waits with ErrorKind::kClosed, and what runs as soon as it can stop: see BatchStop.
  kCancel,
};

class Engine {
 public:
  using ContextFactory = std::function<std::unique_ptr<WorkerContext>(std::size_t worker)>;

  // Starts the workers and waits until each has its context. If one cannot start, stops the others
  // and throws what it threw. Throws std::invalid_argument for zero workers or queue size.
  Engine(EngineOptions options, const ContextFactory& make_context, Elsewhere elsewhere = {});
  // Close(kCancel). In a forked child: lets go of everything without touching it.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws Error with kQueueFull, kClosed, kDeadlineExceeded, kCancelled (interrupted) or kForked,
  // std::invalid_argument without a runner, or what `interrupted` threw; then nothing was accepted.
  std::shared_ptr<Ticket> Submit(std::shared_ptr<const Runner> runner,
                                 std::unique_ptr<Payload> payload, const SubmitOptions& options);

  // A request that was accepted by another engine, and has not begun. Waits for room until then,
  // unless it is direct.
  PushResult Accept(RequestPtr& request, TimePoint give_up);

  // Requests submitted to the lane run one after another; at most `max_waiting` wait in it. It may
  // outlive this engine. Throws Error with kForked, or kQueueFull when max_lanes are open.
  std::shared_ptr<Lane> MakeLane(std::size_t max_waiting);

  // Returns when all workers have ended. May be called from several threads, not from a worker.
  // In a forked child the workers do not exist: returns at once.
  void Close(CloseMode mode) { CloseUntil(mode, kNever); }

  // The same, but waits no longer than until the deadline. False: workers still run, and go on
  // closing; call again to wait for them.
  bool CloseUntil(CloseMode mode, TimePoint deadline);

  bool closed() const { return state_->intake->queue.closed(); }
  bool forked() const;
  std::size_t workers() const { return team_.load.workers(); }
  std::size_t queue_capacity() const { return state_->intake->queue.capacity(); }
  std::size_t Waiting() const;  // accepted and not in a batch, lanes too; 0 in a forked child
  std::size_t Lanes() const { return state_->intake->lanes(); }
  std::size_t Busy() const { return team_.load.busy(); }
  // The device failed when it was waited for, after a batch that had failed.
  bool out_of_order() const { return team_.out_of_order.load(std::memory_order_relaxed); }
  const Counters& counters() const { return state_->intake->counters; }

 private:
  // What the workers lock, sleep on and take from. Apart from the rest because a forked child must
  // leave it alone: it is a snapshot of what the workers were doing just then. Its locks may be
  // held, its containers half changed, and glibc's condition variables wait in their destructor
  // for sleepers that exist in the parent only.
  struct State {
    explicit State(const EngineOptions& options);
    const std::shared_ptr<Intake> intake;  // shared with lanes
    std::mutex join_mutex;                 // guards `threads`
    std::vector<std::thread> threads;
    std::mutex alive_mutex;  // guards `alive`
    std::condition_variable ended;
    std::size_t alive = 0;  // workers that have not ended
  };

  void StartWorker(std::size_t worker, const ContextFactory& make_context,
                   std::promise<void> promise);

  std::unique_ptr<State> state_;
  WorkerTeam team_;
};

}  // namespace safeasr::core
