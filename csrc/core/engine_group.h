// EngineGroup: several engines as one, an engine for each device. A request goes to the engine that
// has least to do, and so does a new lane, which stays there: what a live session remembers lies on
// one device. Engines whose device is out of order get something only when all are: they fail at
// once, and would have least to do. What waited there goes to the others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/engine.h"

namespace safeasr::core {

class EngineGroup {
 public:
  using ContextFactory =
      std::function<std::unique_ptr<WorkerContext>(std::size_t engine, std::size_t worker)>;

  // Starts `engines` engines of these options each; throws what Engine throws, and
  // std::invalid_argument for none.
  EngineGroup(std::size_t engines, EngineOptions options, const ContextFactory& make_context);
  // Closes all (kCancel) before the first of them goes: they give each other requests.
  ~EngineGroup();
  EngineGroup(const EngineGroup&) = delete;
  EngineGroup& operator=(const EngineGroup&) = delete;

  // As of Engine. The room of the queue is the chosen engine's: the others have more to do.
  std::shared_ptr<Ticket> Submit(std::shared_ptr<const Runner> runner,
                                 std::unique_ptr<Payload> payload, const SubmitOptions& options);
  std::shared_ptr<Lane> MakeLane(std::size_t max_waiting);

  // As of Engine, for all of them: each closes at once, then each is waited for.
  bool CloseUntil(CloseMode mode, TimePoint deadline);

  bool closed() const { return engines_.front()->closed(); }
  bool forked() const { return engines_.front()->forked(); }

  std::size_t size() const { return engines_.size(); }
  const Engine& operator[](std::size_t i) const { return *engines_[i]; }

 private:
  // The one with the least load of those in order; equals take turns.
  Engine& LeastLoaded(const std::function<std::int64_t(const Engine&)>& load);
  Engine& WithFewestRequests();
  // Waits for room in another engine, as long as one is in order and the request in time.
  bool MoveToAnother(RequestPtr& request);

  std::vector<std::unique_ptr<Engine>> engines_;
  std::atomic<std::size_t> turn_{0};
};

}  // namespace safeasr::core
