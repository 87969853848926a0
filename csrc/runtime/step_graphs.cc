#include "runtime/step_graphs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "runtime/device_context.h"
#include "runtime/recorded_step.h"

namespace safeasr::runtime {
namespace {

using Clock = std::chrono::steady_clock;

// Runs that are timed of either way. Others use the device meanwhile: the fastest counts.
constexpr int kTimed = 4;
// Graphs that a worker keeps. The least used goes, and with it those of slabs that are not all any
// more.
constexpr std::size_t kMost = 64;

std::int64_t NextSpareRow() {
  static std::atomic<std::int64_t> next{0};
  return next.fetch_add(1) % kSpareRows;
}

std::atomic<bool> keep_slower{false};

// The shortest of some runs.
struct Timed {
  int runs = 0;
  Clock::duration best = Clock::duration::max();

  bool enough() const { return runs >= kTimed; }
  template <class Run>
  StepGraphs::Outputs Once(DeviceContext& context, const Run& run) {
    const Clock::time_point before = Clock::now();
    StepGraphs::Outputs outputs = run();
    context.Finish();
    best = std::min(best, Clock::now() - before);
    ++runs;
    return outputs;
  }
};

}  // namespace

struct StepGraphs::Entry {
  Key key;
  Timed plain, replayed;
  std::unique_ptr<RecordedStep> recorded;
  bool given_up = false;
};

StepGraphs::StepGraphs() : spare_row_(NextSpareRow()) {}

StepGraphs::~StepGraphs() = default;

void StepGraphs::KeepSlower(bool keep) { keep_slower = keep; }

void StepGraphs::Clear() { entries_.clear(); }

c10::MempoolId_t StepGraphs::Pool() const {
  for (const auto& entry : entries_) {
    if (entry->recorded) return entry->recorded->pool();
  }
  return {0, 0};
}

StepGraphs::Entry& StepGraphs::Find(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->key == key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
  } else {
    entries_.push_front(std::make_unique<Entry>());
    entries_.front()->key = key;
    if (entries_.size() > kMost) entries_.pop_back();
  }
  return *entries_.front();
}

void StepGraphs::Make(Entry& entry, const std::function<GraphStep()>& filled_up,
                      const DeviceContext& context, GraphCounts& counts) {
  // So that the stream stays alone, and because one records at a time.
  const std::unique_lock<std::mutex> lock(DeviceQueue::Mutex(), std::try_to_lock);
  if (!lock) return;  // somebody else records; the next step of this shape tries again
  try {
    if (!context.stream()->Alone()) {
      throw std::runtime_error("the device has more workers than torch has streams for it");
    }
    const GraphStep step = filled_up();
    const at::Device device = std::get<at::Tensor>(step.inputs[0]).device();
    const std::lock_guard<std::mutex> books(RecordedStep::Books());
    entry.recorded = std::make_unique<RecordedStep>(step, device, spare_row_, Pool());
    counts.made.fetch_add(1);
  } catch (const std::exception& e) {
    entry.given_up = true;
    counts.failed.fetch_add(1);
    TORCH_WARN_ONCE("steps of live streams run without a graph: ", e.what());
  }
}

StepGraphs::Outputs StepGraphs::Run(const Key& key, const std::function<Outputs()>& plain,
                                    const std::function<GraphStep()>& filled_up,
                                    DeviceContext& context, GraphCounts& counts) {
  Entry& entry = Find(key);
  if (entry.given_up) return plain();
  if (!entry.recorded) {
    if (!entry.plain.enough()) return entry.plain.Once(context, plain);
    // The step itself runs as ever, so nothing depends on whether it can be recorded.
    Outputs outputs = plain();
    Make(entry, filled_up, context, counts);
    return outputs;
  }
  const auto replay = [&] { return entry.recorded->Run(filled_up()); };
  try {
    Outputs outputs = entry.replayed.enough() ? replay() : entry.replayed.Once(context, replay);
    counts.replayed.fetch_add(1);
    if (entry.replayed.runs == kTimed) Judge(entry, counts);
    return outputs;
  } catch (const StepDoesNotFit&) {
    return plain();
  }
}

void StepGraphs::Judge(Entry& entry, GraphCounts& counts) {
  ++entry.replayed.runs;  // once
  if (entry.replayed.best < entry.plain.best || keep_slower) return;
  entry.recorded.reset();  // the outputs of its last run stay as long as somebody has them
  entry.given_up = true;
  counts.slower.fetch_add(1);
}

}  // namespace safeasr::runtime
