#include "core/intake.h"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace safeasr::core {
namespace {

// Enough to choose well-fitting lengths from, small enough to look through for each batch.
constexpr std::size_t kWindow = 256;

thread_local const Intake* looks_next = nullptr;

}  // namespace

Intake::Intake(std::size_t queue_size, std::size_t max_lanes)
    : queue(queue_size),
      pool(std::min(kWindow, queue_size)),
      max_lanes_(max_lanes),
      owner_pid_(getpid()) {}

bool Intake::forked() const { return getpid() != owner_pid_; }

void Intake::ThrowIfForked() const {
  if (!forked()) return;
  throw Error(ErrorKind::kForked,
              "this model was made before the process forked, and its worker threads stayed in "
              "the parent: make the model after the fork, or start workers with 'spawn'");
}

RequestPtr Intake::Make(std::shared_ptr<const Runner> runner, std::unique_ptr<Payload> payload,
                        const SubmitOptions& options) {
  ThrowIfForked();
  if (!runner) throw std::invalid_argument("expected a runner, got none");
  auto request = std::make_unique<Request>();
  request->key = {runner->id(), options.options_key, options.priority.value_or(0)};
  request->runner = std::move(runner);
  request->length = std::max<std::int64_t>(options.length, 1);
  request->arrival = Clock::now();
  request->turn = request->arrival;
  request->deadline = options.deadline;
  request->payload = std::move(payload);
  request->ticket = std::make_shared<Ticket>();
  request->meter = options.meter;
  if (options.deadline != kNever && request->arrival >= options.deadline) {
    counters.rejected.fetch_add(1, std::memory_order_relaxed);
    throw Error(ErrorKind::kDeadlineExceeded,
                "the deadline had passed before the request was queued");
  }
  return request;
}

PushResult Intake::Push(RequestPtr& request, const SubmitOptions& options) {
  const TimePoint last_chance = options.LastChance();
  PushResult pushed = queue.TryPush(request);
  for (TimePoint now = Clock::now(); pushed == PushResult::kFull && now < last_chance;
       now = Clock::now()) {
    pushed = queue.PushUntil(request, std::min(last_chance, now + kInterruptCheck));
    if (pushed == PushResult::kFull && options.interrupted && options.interrupted()) {
      ThrowInterrupted();
    }
  }
  return pushed;
}

void Intake::ThrowInterrupted() {
  throw Error(ErrorKind::kCancelled, "interrupted while waiting for room in the queue");
}

void Intake::ThrowRefused(PushResult pushed, const SubmitOptions& options) const {
  if (pushed == PushResult::kClosed) throw Error(ErrorKind::kClosed, "the model is closed");
  ThrowIfTooLate(options);
  throw Error(ErrorKind::kQueueFull, "the queue is full: " + std::to_string(queue.capacity()) +
                                         " requests are waiting (queue_size)");
}

void Intake::ThrowIfTooLate(const SubmitOptions& options) {
  if (options.deadline >= options.give_up) return;
  throw Error(ErrorKind::kDeadlineExceeded,
              "the deadline passed while the request waited for room in the queue");
}

void Intake::WakeWorker() noexcept {
  if (looks_next != this) queue.not_empty().WakeOne();
}

bool Intake::Enter(RequestPtr& request) noexcept {
  request->turn = Clock::now();
  request->direct = true;
  if (!pool.Enter(queue, request)) return false;
  WakeWorker();
  return true;
}

void Intake::EnterExpected(RequestPtr request) noexcept {
  request->turn = Clock::now();
  request->direct = true;
  pool.EnterExpected(std::move(request));
  WakeWorker();
}

void Intake::CancelExpected() noexcept {
  counters.cancelled.fetch_add(1, std::memory_order_relaxed);  // before a worker may end
  pool.StopExpecting();
  // Workers that were only kept by what was expected have slept since the queue was closed.
  if (queue.closed()) queue.not_empty().WakeAll();
}

Intake::Submission::Submission(Counters& counters) : counters_(counters) {
  counters_.submitted.fetch_add(1, std::memory_order_relaxed);
}

Intake::Submission::~Submission() {
  if (kept_) return;
  counters_.submitted.fetch_sub(1, std::memory_order_relaxed);
  counters_.rejected.fetch_add(1, std::memory_order_relaxed);
}

Intake::OpenLane::OpenLane(Intake& intake) : intake_(intake) {
  // Counted only where there is room: a count that is taken back would refuse others meanwhile.
  std::size_t lanes = intake.lanes_.load(std::memory_order_relaxed);
  do {
    if (lanes >= intake.max_lanes_) {
      throw Error(ErrorKind::kQueueFull,
                  std::to_string(intake.max_lanes_) + " streams are open already (max_streams)");
    }
  } while (!intake.lanes_.compare_exchange_weak(lanes, lanes + 1, std::memory_order_relaxed));
}

Intake::OpenLane::~OpenLane() { intake_.lanes_.fetch_sub(1, std::memory_order_relaxed); }

Intake::LooksNext::LooksNext(const Intake& intake) : before_(looks_next) { looks_next = &intake; }
Intake::LooksNext::~LooksNext() { looks_next = before_; }

}  // namespace safeasr::core
