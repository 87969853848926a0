// Lane: requests that must run one after another, such as the chunks of a live session. At most one
// of them is inside the engine; the later ones wait here, in the order in which they were
// submitted.
//
// Nothing of a lane goes through the engine's queue: live work meets neither a full queue nor a
// backlog of recordings. The first request of an idle lane enters the pool at once, those behind it
// as soon as the one before is finished in any way: done, failed, cancelled or expired. What bounds
// live work is the number of lanes, and of requests that may wait in each. Deadlines hold in the
// lane: a request that is too late fails when its turn comes.
//
// A lane lives as long as somebody holds it or something of it is unfinished. It may outlive its
// engine: then it is closed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "core/intake.h"

namespace safeasr::core {

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  // See Engine::MakeLane. `max_waiting`: requests that may wait behind the one in the engine.
  Lane(std::shared_ptr<Intake> intake, std::size_t max_waiting);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // As Engine::Submit, with the same errors; kQueueFull only when the lane is full. May be called
  // from several threads: a submit that returned before another began runs before it.
  std::shared_ptr<Ticket> Submit(std::shared_ptr<const Runner> runner,
                                 std::unique_ptr<Payload> payload, const SubmitOptions& options);

  std::size_t Waiting() const;  // behind the one in the engine; 0 in a forked child
  bool busy() const;            // something of it is in the engine; false in a forked child
  std::size_t max_waiting() const { return max_waiting_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  // The ways of a submit: into the engine, or to the end of the lane, or wait and look again. False
  // when the engine is closed.
  bool EnterEngine(RequestPtr& request) noexcept;
  bool WaitInLane(RequestPtr& request);
  void WaitForRoom(Lock& lock, const SubmitOptions& options, TimePoint* ask);

  // Called when a ticket of this lane is finished, on the thread that finished it.
  void OnFinished(const Ticket* ticket);

  const std::shared_ptr<Intake> intake_;
  const Intake::OpenLane open_;
  const std::size_t max_waiting_;

  // Taken before the pool's and the queue's locks, and never held while a ticket is finished, a
  // request destroyed or a caller asked.
  mutable std::mutex mutex_;
  std::condition_variable room_;    // something left the lane
  std::deque<RequestPtr> waiting_;  // not in the engine yet; empty unless `head_`
  const Ticket* head_ = nullptr;    // of the request in the engine
};

}  // namespace safeasr::core
