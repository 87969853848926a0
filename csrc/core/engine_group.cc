#include "core/engine_group.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "core/lane.h"

namespace safeasr::core {
namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(100);

}  // namespace

EngineGroup::EngineGroup(std::size_t engines, EngineOptions options,
                         const ContextFactory& make_context) {
  if (engines == 0) throw std::invalid_argument("an engine needs at least one device, got 0");
  for (std::size_t i = 0; i < engines; ++i) {
    engines_.push_back(std::make_unique<Engine>(
        options, [&, i](std::size_t worker) { return make_context(i, worker); },
        engines > 1 ? Elsewhere([this](RequestPtr& r) { return MoveToAnother(r); }) : nullptr));
  }
}

EngineGroup::~EngineGroup() { CloseUntil(CloseMode::kCancel, kNever); }

Engine& EngineGroup::LeastLoaded(const std::function<std::int64_t(const Engine&)>& load) {
  const std::size_t count = engines_.size();
  if (count == 1) return *engines_.front();
  // Begins at another one each time, or ties would all go to the first.
  const std::size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  using Rank = std::pair<bool, std::int64_t>;
  const auto rank = [&](std::size_t i) {
    return Rank{engines_[i]->out_of_order(), load(*engines_[i])};
  };
  std::size_t best = first % count;
  Rank least = rank(best);
  for (std::size_t k = 1; k < count && least > Rank{false, 0}; ++k) {
    const std::size_t i = (first + k) % count;
    const Rank of_this = rank(i);
    if (of_this < least) {
      best = i;
      least = of_this;
    }
  }
  return *engines_[best];
}

std::shared_ptr<Ticket> EngineGroup::Submit(std::shared_ptr<const Runner> runner,
                                            std::unique_ptr<Payload> payload,
                                            const SubmitOptions& options) {
  return WithFewestRequests().Submit(std::move(runner), std::move(payload), options);
}

Engine& EngineGroup::WithFewestRequests() {
  return LeastLoaded([](const Engine& e) { return e.counters().Unfinished(); });
}

bool EngineGroup::MoveToAnother(RequestPtr& request) {
  for (;;) {
    Engine& engine = WithFewestRequests();
    if (engine.out_of_order()) return false;  // so all are, the one that asks among them
    const TimePoint now = Clock::now();
    if (now >= request->deadline) return false;
    // Room may come late, and that device break meanwhile: then another one is looked for.
    const PushResult pushed = engine.Accept(request, std::min(request->deadline, now + kLookAgain));
    if (pushed != PushResult::kFull) return pushed == PushResult::kOk;
  }
}

std::shared_ptr<Lane> EngineGroup::MakeLane(std::size_t max_waiting) {
  const auto lanes = [](const Engine& e) { return static_cast<std::int64_t>(e.Lanes()); };
  return LeastLoaded(lanes).MakeLane(max_waiting);
}

bool EngineGroup::CloseUntil(CloseMode mode, TimePoint deadline) {
  // All are told before any is waited for.
  for (const auto& engine : engines_) engine->CloseUntil(mode, Clock::now());
  bool closed = true;
  for (const auto& engine : engines_) closed = engine->CloseUntil(mode, deadline) && closed;
  return closed;
}

}  // namespace safeasr::core
