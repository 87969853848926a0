// Intake: where requests come in. What callers, lanes and workers share of an engine; a lane keeps
// it alive, so that a lane may outlive its engine and find it closed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "core/counters.h"
#include "core/meter.h"
#include "core/pending_pool.h"
#include "core/request.h"
#include "core/request_queue.h"
#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::core {

struct SubmitOptions {
  std::int64_t length = 1;        // cost in the runner's unit; of one piece, if the runner works so
  std::uint64_t options_key = 0;  // requests of one runner share a batch only if these agree
  TimePoint deadline = kNever;  // after this the request is not started (or gone on with) any more
  TimePoint give_up = TimePoint::min();  // how long Submit may wait for room; default: not at all
  // A later stage of work that was accepted already, such as a segment of a recording: it bypasses
  // the queue, so it never waits and never finds it full. (What comes through lanes does so
  // anyway.)
  bool direct = false;
  // Of what is ready, the highest runs first. None: in a lane its runner's `live_priority`, else 0.
  std::optional<int> priority;
  // Learns when the request waited and ran; the requests of one piece of work share one. May be
  // null.
  std::shared_ptr<Meter> meter;
  // Asked about 20 times a second while Submit waits for room, with no lock held; true ends the
  // wait with ErrorKind::kCancelled. May be empty.
  std::function<bool()> interrupted;

  // No use in waiting for room beyond the deadline.
  TimePoint LastChance() const { return give_up < deadline ? give_up : deadline; }
};

// How often who waits for room asks SubmitOptions::interrupted.
inline constexpr auto kInterruptCheck = std::chrono::milliseconds(50);

class Intake {
 public:
  Intake(std::size_t queue_size, std::size_t max_lanes);
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // In a forked child all of this is a snapshot of what others were doing just then: leave it.
  bool forked() const;
  void ThrowIfForked() const;

  // Throws what Engine::Submit throws for a request that can be refused before it meets the queue.
  RequestPtr Make(std::shared_ptr<const Runner> runner, std::unique_ptr<Payload> payload,
                  const SubmitOptions& options);

  // Waits for room until the options' last chance. Throws for an interrupted wait.
  PushResult Push(RequestPtr& request, const SubmitOptions& options);

  // The errors of who got no room: the queue's, and for any wait.
  [[noreturn]] void ThrowRefused(PushResult pushed, const SubmitOptions& options) const;
  [[noreturn]] static void ThrowInterrupted();
  static void ThrowIfTooLate(const SubmitOptions& options);

  // Into the pool, bypassing the queue. False when closed: then the request stays the caller's.
  bool Enter(RequestPtr& request) noexcept;

  // A request begins to wait in a lane; false when closed. Then it has its turn, or is cancelled.
  bool Expect() noexcept { return pool.Expect(queue); }
  void EnterExpected(RequestPtr request) noexcept;
  void CancelExpected() noexcept;

  // Counts a request as submitted before it is: a worker may have finished it by the time a push
  // returns. Unless it is kept, it was refused.
  class Submission {
   public:
    explicit Submission(Counters& counters);
    ~Submission();
    Submission(const Submission&) = delete;
    Submission& operator=(const Submission&) = delete;
    void Keep() { kept_ = true; }

   private:
    Counters& counters_;
    bool kept_ = false;
  };

  // One of the lanes that may be open at a time, for as long as this lives. Throws
  // ErrorKind::kQueueFull when there are as many.
  class OpenLane {
   public:
    explicit OpenLane(Intake& intake);
    ~OpenLane();
    OpenLane(const OpenLane&) = delete;
    OpenLane& operator=(const OpenLane&) = delete;

   private:
    Intake& intake_;
  };

  // While it lives, what enters the pool on this thread wakes no other worker: this one looks there
  // right after, and takes its share of all that came. Woken one by one, the others would run each
  // alone.
  class LooksNext {
   public:
    explicit LooksNext(const Intake& intake);
    ~LooksNext();
    LooksNext(const LooksNext&) = delete;
    LooksNext& operator=(const LooksNext&) = delete;

   private:
    const Intake* const before_;
  };

  std::size_t lanes() const { return lanes_.load(std::memory_order_relaxed); }

  RequestQueue<RequestPtr> queue;
  PendingPool pool;
  Counters counters;

 private:
  void WakeWorker() noexcept;

  const std::size_t max_lanes_;
  std::atomic<std::size_t> lanes_{0};  // that are open
  const int owner_pid_;
};

}  // namespace safeasr::core
