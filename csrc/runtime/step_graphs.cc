#include "runtime/step_graphs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <utility>

#include "runtime/recorded_step.h"
#include "runtime/stream_context.h"

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

// Of all threads: CUDA's memory and its generators of random numbers mind who records.
std::mutex& Recording() {
  static std::mutex mutex;
  return mutex;
}

std::vector<std::int64_t> KeyOf(const GraphStep& step) {
  const StepRoom& room = step.room;
  std::vector<std::int64_t> key{reinterpret_cast<std::int64_t>(&step.program),
                                room.longest_query,
                                room.longest_key,
                                room.window,
                                room.append,
                                static_cast<std::int64_t>(step.shared),
                                step.written};
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const std::vector<at::Tensor> tensors = TensorsOf(step.inputs[i]);
    key.push_back(static_cast<std::int64_t>(tensors.size()));
    for (const at::Tensor& tensor : tensors) {
      key.push_back(static_cast<std::int64_t>(tensor.scalar_type()));
      key.push_back(tensor.dim());
      key.insert(key.end(), tensor.sizes().begin(), tensor.sizes().end());
      if (i == step.shared) key.push_back(reinterpret_cast<std::int64_t>(tensor.data_ptr()));
    }
  }
  return key;
}

// The shortest of some runs.
struct Timed {
  int runs = 0;
  Clock::duration best = Clock::duration::max();

  bool enough() const { return runs >= kTimed; }
  template <class Run>
  std::vector<at::Tensor> Once(StreamContext& context, const Run& run) {
    const Clock::time_point before = Clock::now();
    std::vector<at::Tensor> outputs = run();
    context.Finish();
    best = std::min(best, Clock::now() - before);
    ++runs;
    return outputs;
  }
};

}  // namespace

struct StepGraphs::Entry {
  std::vector<std::int64_t> key;
  Timed plain, replayed;
  std::unique_ptr<RecordedStep> recorded;
  bool given_up = false;
};

StepGraphs::StepGraphs() : spare_row_(NextSpareRow()) {}

StepGraphs::~StepGraphs() = default;

void StepGraphs::KeepSlower(bool keep) { keep_slower = keep; }

void StepGraphs::Clear() {
  entries_.clear();
  pool_ = {0, 0};
}

StepGraphs::Entry& StepGraphs::Find(const GraphStep& step) {
  std::vector<std::int64_t> key = KeyOf(step);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->key == key; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
  } else {
    entries_.push_front(std::make_unique<Entry>());
    entries_.front()->key = std::move(key);
    if (entries_.size() > kMost) entries_.pop_back();
  }
  return *entries_.front();
}

void StepGraphs::Make(Entry& entry, const GraphStep& step, GraphCounts& counts) {
  const std::unique_lock<std::mutex> lock(Recording(), std::try_to_lock);
  if (!lock) return;  // somebody else records; the next step of this shape tries again
  try {
    const at::Device device = TensorsOf(step.inputs[0])[0].device();
    entry.recorded = std::make_unique<RecordedStep>(step, device, spare_row_, pool_);
    pool_ = entry.recorded->pool();
    counts.made.fetch_add(1);
  } catch (const std::exception& e) {
    entry.given_up = true;
    counts.failed.fetch_add(1);
    TORCH_WARN_ONCE("steps of live streams run without a graph: ", e.what());
  }
}

std::vector<at::Tensor> StepGraphs::Run(const GraphStep& step, StreamContext& context,
                                        GraphCounts& counts) {
  Entry& entry = Find(step);
  if (entry.given_up) return RunOnce(step);
  if (!entry.recorded) {
    if (!entry.plain.enough()) {
      return entry.plain.Once(context, [&] { return RunOnce(step); });
    }
    // The step itself runs as ever, so nothing depends on whether it can be recorded.
    std::vector<at::Tensor> outputs = RunOnce(step);
    Make(entry, step, counts);
    return outputs;
  }
  try {
    if (entry.replayed.enough()) {
      std::vector<at::Tensor> outputs = entry.recorded->Run(step);
      counts.replayed.fetch_add(1);
      return outputs;
    }
    std::vector<at::Tensor> outputs =
        entry.replayed.Once(context, [&] { return entry.recorded->Run(step); });
    counts.replayed.fetch_add(1);
    if (entry.replayed.enough() && entry.replayed.best >= entry.plain.best && !keep_slower) {
      // Its outputs are in use until the step is done, and stay as long as they are.
      entry.recorded.reset();
      entry.given_up = true;
      counts.slower.fetch_add(1);
    }
    return outputs;
  } catch (const std::length_error&) {
    return RunOnce(step);
  }
}

}  // namespace safeasr::runtime
