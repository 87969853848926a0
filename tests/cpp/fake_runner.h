// Runners, payloads and results for tests of the pool and the engine: no model, only numbers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/engine.h"
#include "core/lane.h"
#include "support.h"

namespace safeasr::core {

struct NumberPayload : Payload {
  explicit NumberPayload(std::int64_t v) : value(v) {}
  const std::int64_t value;
};

struct NumberResult : Result {
  explicit NumberResult(std::int64_t v) : value(v) {}
  const std::int64_t value;
};

struct NoContext : WorkerContext {};

inline Engine::ContextFactory NoContexts() {
  return [](std::size_t) { return std::make_unique<NoContext>(); };
}

using Numbers = std::vector<std::int64_t>;
using Results = std::vector<std::shared_ptr<const Result>>;

// Answers n with n + 1. What a test adds runs first, with the numbers of the batch.
class FakeRunner : public Runner {
 public:
  using Hook = std::function<void(const Numbers&)>;

  explicit FakeRunner(BatchLimits limits = {8, 1 << 30, 1.0, Duration(0), false}, Hook hook = {})
      : Runner(limits), hook_(std::move(hook)) {}

  Results Run(WorkerContext&, const std::vector<Payload*>& batch) const override {
    Numbers numbers;
    for (const Payload* p : batch) {
      numbers.push_back(static_cast<const NumberPayload*>(p)->value);
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      batches_.push_back(numbers);
    }
    if (hook_) hook_(numbers);
    Results results;
    for (const std::int64_t n : numbers) results.push_back(std::make_shared<NumberResult>(n + 1));
    return results;
  }

  // Every batch that was run, retries included.
  std::vector<Numbers> batches() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return batches_;
  }

 private:
  const Hook hook_;
  mutable std::mutex mutex_;
  mutable std::vector<Numbers> batches_;
};

// A number that takes several runs. Not atomic: TSan would see two workers that have it at once.
struct PiecePayload : NumberPayload {
  PiecePayload(std::int64_t v, int pieces) : NumberPayload(v), left(pieces) {}
  int left;
};

// One piece of each a run. What the hook throws comes before any progress.
class PieceRunner : public FakeRunner {
 public:
  using FakeRunner::FakeRunner;

  Results Run(WorkerContext& context, const std::vector<Payload*>& batch) const override {
    Results results = FakeRunner::Run(context, batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (--static_cast<PiecePayload*>(batch[i])->left > 0) results[i] = Unfinished();
    }
    return results;
  }
};

inline std::int64_t NumberOf(const Ticket& ticket) {
  return static_cast<const NumberResult&>(*ticket.Get()).value;
}

inline std::shared_ptr<Ticket> Submit(Engine& engine, const std::shared_ptr<const Runner>& runner,
                                      std::int64_t number, const SubmitOptions& options = {}) {
  return engine.Submit(runner, std::make_unique<NumberPayload>(number), options);
}

inline std::shared_ptr<Ticket> SubmitPieces(Engine& engine,
                                            const std::shared_ptr<const PieceRunner>& runner,
                                            std::int64_t number, int pieces,
                                            const SubmitOptions& options = {}) {
  return engine.Submit(runner, std::make_unique<PiecePayload>(number, pieces), options);
}

inline std::shared_ptr<Ticket> Submit(Lane& lane, const std::shared_ptr<const Runner>& runner,
                                      std::int64_t number, const SubmitOptions& options = {}) {
  return lane.Submit(runner, std::make_unique<NumberPayload>(number), options);
}

inline std::string MessageOf(const Ticket& ticket) {
  try {
    ticket.Get();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Occupies workers until it is let go: what is submitted meanwhile stays queued.
class Blocker {
 public:
  explicit Blocker(Engine& engine, std::size_t workers = 1) {
    const BatchLimits alone{1, 1, 1.0, Duration(0), false};
    const auto runner = std::make_shared<FakeRunner>(alone, [this, workers](const Numbers&) {
      if (running_.fetch_add(1) + 1 == workers) started_.Set();
      release_.Wait();
    });
    for (std::size_t i = 0; i < workers; ++i) {
      tickets_.push_back(Submit(engine, runner, static_cast<std::int64_t>(i)));
    }
    started_.Wait();
  }
  ~Blocker() {
    Release();
    for (const auto& ticket : tickets_) ticket->WaitUntil(kNever);  // they use this object
  }
  Blocker(const Blocker&) = delete;
  Blocker& operator=(const Blocker&) = delete;

  void Release() { release_.Set(); }
  const std::shared_ptr<Ticket>& ticket() const { return tickets_.front(); }

 private:
  std::atomic<std::size_t> running_{0};
  Event started_, release_;
  std::vector<std::shared_ptr<Ticket>> tickets_;
};

inline ErrorKind KindOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.kind();
  }
  throw std::logic_error("expected a core::Error, got none");
}

inline ErrorKind KindOf(const Ticket& ticket) {
  return KindOf([&] { ticket.Get(); });
}

// Every accepted request is accounted for. Holds once the engine has been closed.
inline bool AddsUp(const Counters& c) {
  return c.submitted.load() ==
         c.completed.load() + c.failed.load() + c.cancelled.load() + c.expired.load();
}

}  // namespace safeasr::core
