#include "core/engine.h"

#include <exception>
#include <stdexcept>
#include <utility>

#include "core/forks.h"
#include "core/lane.h"

namespace safeasr::core {
namespace {

EngineOptions Checked(EngineOptions options) {
  if (options.workers == 0) throw std::invalid_argument("num_workers must be at least 1, got 0");
  if (options.queue_size == 0) throw std::invalid_argument("queue_size must be at least 1, got 0");
  return options;
}

PushResult EnterDirectly(Intake& intake, RequestPtr& request) {
  return intake.Enter(request) ? PushResult::kOk : PushResult::kClosed;
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
    : intake(std::make_shared<Intake>(options.queue_size, options.max_lanes)) {}

Engine::Engine(EngineOptions options, const ContextFactory& make_context, Elsewhere elsewhere)
    : state_(std::make_unique<State>(Checked(options))),
      team_(*state_->intake, options.workers, std::move(elsewhere)) {
  std::exception_ptr first;
  std::vector<std::future<void>> started;
  try {
    state_->threads.reserve(workers());
    started.reserve(workers());
    for (std::size_t i = 0; i < workers(); ++i) {
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
    const NoForks no_forks;
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
          Worker(team_, *context).RunUntilClosed();
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

bool Engine::forked() const { return state_->intake->forked(); }

std::size_t Engine::Waiting() const {
  if (forked()) return 0;
  return state_->intake->queue.SizeApprox() + state_->intake->pool.SizeApprox();
}

std::shared_ptr<Ticket> Engine::Submit(std::shared_ptr<const Runner> runner,
                                       std::unique_ptr<Payload> payload,
                                       const SubmitOptions& options) {
  Intake& intake = *state_->intake;
  RequestPtr request = intake.Make(std::move(runner), std::move(payload), options);
  auto ticket = request->ticket;
  Intake::Submission submission(intake.counters);
  const PushResult pushed =
      options.direct ? EnterDirectly(intake, request) : intake.Push(request, options);
  if (pushed != PushResult::kOk) intake.ThrowRefused(pushed, options);
  submission.Keep();
  return ticket;
}

PushResult Engine::Accept(RequestPtr& request, TimePoint give_up) {
  Intake& intake = *state_->intake;
  intake.counters.submitted.fetch_add(1, std::memory_order_relaxed);
  const PushResult pushed =
      request->direct ? EnterDirectly(intake, request) : intake.queue.PushUntil(request, give_up);
  if (pushed != PushResult::kOk) {
    intake.counters.submitted.fetch_sub(1, std::memory_order_relaxed);
  }
  return pushed;
}

std::shared_ptr<Lane> Engine::MakeLane(std::size_t max_waiting) {
  state_->intake->ThrowIfForked();
  return std::make_shared<Lane>(state_->intake, max_waiting);
}

bool Engine::CloseUntil(CloseMode mode, TimePoint deadline) {
  if (forked()) return true;
  if (mode == CloseMode::kCancel) team_.cancelling.store(true);
  state_->intake->queue.Close();
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
