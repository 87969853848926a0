#include "core/engine.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace safeasr::core {
namespace {

// Enough to choose well-fitting lengths from, small enough to look through for each batch.
constexpr std::size_t kWindow = 256;

constexpr auto kInterruptCheck = std::chrono::milliseconds(50);

EngineOptions Checked(EngineOptions options) {
  if (options.workers == 0) throw std::invalid_argument("num_workers must be at least 1, got 0");
  if (options.queue_size == 0) throw std::invalid_argument("queue_size must be at least 1, got 0");
  return options;
}

// Runs something at the end of a scope, however it is left.
template <class Action>
class AtEnd {
 public:
  explicit AtEnd(Action action) : action_(std::move(action)) {}
  ~AtEnd() { action_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  const Action action_;
};

}  // namespace

Engine::State::State(const EngineOptions& options)
    : queue(options.queue_size), pool(std::min(kWindow, options.queue_size)) {}

Engine::Engine(EngineOptions options, const ContextFactory& make_context)
    : workers_count_(Checked(options).workers),
      owner_pid_(getpid()),
      state_(std::make_unique<State>(options)) {
  std::exception_ptr first;
  std::vector<std::future<void>> started;
  try {
    state_->threads.reserve(workers_count_);
    started.reserve(workers_count_);
    for (std::size_t i = 0; i < workers_count_; ++i) {
      std::promise<void> promise;
      started.push_back(promise.get_future());
      StartWorker(i, make_context, std::move(promise));
    }
  } catch (...) {  // the system has no more threads or memory; those that run must be joined
    first = std::current_exception();
  }
  for (std::size_t i = 0; i < state_->threads.size(); ++i) {
    try {
      started[i].get();
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) {
    Close(CloseMode::kCancel);
    std::rethrow_exception(first);
  }
}

void Engine::StartWorker(std::size_t worker, const ContextFactory& make_context,
                         std::promise<void> promise) {
  const auto count = [](State& state, bool starts) {
    std::lock_guard<std::mutex> lock(state.alive_mutex);
    starts ? ++state.alive : --state.alive;
    state.ended.notify_all();
  };
  // Before the thread, which may end before emplace_back returns.
  count(*state_, true);
  try {
    state_->threads.emplace_back(
        [this, worker, count, &make_context, promise = std::move(promise)]() mutable {
          const AtEnd ended([this, count] { count(*state_, false); });
          std::unique_ptr<WorkerContext> context;
          try {
            context = make_context(worker);
            if (!context) throw std::logic_error("the context factory returned nothing");
          } catch (...) {
            promise.set_exception(std::current_exception());
            return;
          }
          promise.set_value();
          // From here on `make_context` may be gone: the constructor has heard from this worker.
          WorkerLoop(*context);
        });
  } catch (...) {
    count(*state_, false);
    throw;
  }
}

Engine::~Engine() {
  if (!forked()) {
    Close(CloseMode::kCancel);
    return;
  }
  (void)state_.release();  // leaked on purpose: see State
}

bool Engine::forked() const { return getpid() != owner_pid_; }

std::size_t Engine::Waiting() const {
  if (forked()) return 0;
  return state_->queue.SizeApprox() + state_->pool.SizeApprox();
}

std::shared_ptr<Ticket> Engine::Submit(std::shared_ptr<const Runner> runner,
                                       std::unique_ptr<const Payload> payload,
                                       const SubmitOptions& options) {
  if (forked()) {
    throw Error(ErrorKind::kForked,
                "this model was made before the process forked, and its worker threads stayed in "
                "the parent: make the model after the fork, or start workers with 'spawn'");
  }
  if (!runner) throw std::invalid_argument("expected a runner, got none");
  auto request = std::make_unique<Request>();
  request->key = {runner->id(), options.options_key};
  request->runner = std::move(runner);
  request->length = std::max<std::int64_t>(options.length, 1);
  request->arrival = Clock::now();
  request->deadline = options.deadline;
  request->payload = std::move(payload);
  request->ticket = std::make_shared<Ticket>();
  auto ticket = request->ticket;

  if (options.deadline != kNever && request->arrival >= options.deadline) {
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    throw Error(ErrorKind::kDeadlineExceeded,
                "the deadline had passed before the request was queued");
  }
  // Counted before the push: a worker may have finished it by the time the push returns.
  counters_.submitted.fetch_add(1, std::memory_order_relaxed);
  const auto refuse = [&] {
    counters_.submitted.fetch_sub(1, std::memory_order_relaxed);
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
  };
  PushResult pushed = PushResult::kFull;
  try {
    pushed = Push(request, options);
  } catch (...) {
    refuse();
    throw;
  }
  if (pushed == PushResult::kOk) return ticket;
  refuse();
  if (pushed == PushResult::kClosed) throw Error(ErrorKind::kClosed, "the model is closed");
  if (options.deadline < options.give_up) {
    throw Error(ErrorKind::kDeadlineExceeded,
                "the deadline passed while the request waited for room in the queue");
  }
  throw Error(ErrorKind::kQueueFull, "the queue is full: " + std::to_string(queue_capacity()) +
                                         " requests are waiting (queue_size)");
}

PushResult Engine::Push(RequestPtr& request, const SubmitOptions& options) {
  // No use in waiting for room beyond the deadline.
  const TimePoint give_up = std::min(options.give_up, options.deadline);
  PushResult pushed = state_->queue.TryPush(request);
  for (TimePoint now = Clock::now(); pushed == PushResult::kFull && now < give_up;
       now = Clock::now()) {
    pushed = state_->queue.PushUntil(request, std::min(give_up, now + kInterruptCheck));
    if (pushed == PushResult::kFull && options.interrupted && options.interrupted()) {
      throw Error(ErrorKind::kCancelled, "interrupted while waiting for room in the queue");
    }
  }
  return pushed;
}

bool Engine::CloseUntil(CloseMode mode, TimePoint deadline) {
  if (forked()) return true;
  if (mode == CloseMode::kCancel) cancel_waiting_.store(true);
  state_->queue.Close();
  {
    std::unique_lock<std::mutex> lock(state_->alive_mutex);
    const auto all_ended = [this] { return state_->alive == 0; };
    if (deadline == kNever) {
      state_->ended.wait(lock, all_ended);
    } else if (!state_->ended.wait_until(lock, deadline, all_ended)) {
      return false;
    }
  }
  std::lock_guard<std::mutex> lock(state_->join_mutex);
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
  return true;
}

}  // namespace safeasr::core
