#include "graphs.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "alias.h"
#include "block.h"
#include "copies.h"
#include "world.h"

#if __has_include(<ATen/core/GraphImplInterface.h>)
#include <ATen/core/GraphImplInterface.h>
#define FAKE_GRAPHS 1
#endif

namespace fake {
namespace {

thread_local Recording* recording = nullptr;
std::atomic<std::chrono::milliseconds> delay{std::chrono::milliseconds(0)};
bool somebody_records = false;  // under the World's lock

std::vector<at::Tensor> Tensors(const torch::jit::Stack& values) {
  std::vector<at::Tensor> found;
  for (const c10::IValue& value : values) {
    if (value.isTensor()) {
      found.push_back(value.toTensor());
    } else if (value.isList()) {
      for (const c10::IValue& element : value.toListRef()) {
        if (element.isTensor()) found.push_back(element.toTensor());
      }
    }
  }
  return found;
}

}  // namespace

Recording* Recording::OfThisThread() { return recording; }

void Recording::Forbid(const std::string& what) {
  TORCH_CHECK(recording == nullptr, "not permitted while a stream records: ", what);
}

void Recording::Add(std::function<torch::jit::Stack()> again, const torch::jit::Stack& results) {
  steps_.push_back({std::move(again), Tensors(results)});
}

void Recording::Begin() {
  const World::Lock lock;
  TORCH_CHECK(!somebody_records, "two threads record at the same time");
  TORCH_CHECK(CurrentStream(CurrentDevice()) % kStreamsOfDevice != 0,
              "the default stream cannot record");
  somebody_records = true;
  recording = this;
}

void Recording::End() {
  const World::Lock lock;
  const c10::InferenceMode inference_mode;
  somebody_records = false;
  recording = nullptr;
  for (const Step& step : steps_) {
    for (const at::Tensor& result : step.results) {
      Block* const block = OnDevice(result) ? BlockOf(result) : nullptr;
      if (block != nullptr && block->recorded_in == this) {
        std::memset(block->data, kPoison, block->bytes);
      }
    }
  }
}

void Recording::Delay(std::chrono::milliseconds by) { delay = by; }

void Recording::Replay() const {
  std::this_thread::sleep_for(delay.load());
  const World::Lock lock;
  const c10::InferenceMode inference_mode;
  Forbid("a replay");
  World::Get().Count(CurrentDevice(), "replays");
  for (const Step& step : steps_) {
    const std::vector<at::Tensor> found = Tensors(step.again());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const at::Tensor& wanted = step.results[i];
      if (OnDevice(wanted) && found[i].storage().data() != wanted.storage().data()) {
        CopyFrom(found[i], wanted, /*non_blocking=*/true);
      }
    }
  }
}

}  // namespace fake

#ifdef FAKE_GRAPHS
namespace at {
namespace {

class FakeGraph : public GraphImplInterface {
 public:
  explicit FakeGraph(const GraphImplArgs& /*args*/) {}
  ~FakeGraph() override { LeavePool(); }

  void capture_begin(MempoolId_t pool, GraphCaptureMode mode) override {
    TORCH_CHECK(mode == GraphCaptureMode::ThreadLocal, "other threads must be let go on");
    const fake::World::Lock lock;
    const bool is_new = pool.second == 0;
    TORCH_CHECK(is_new || graphs_of_pool.count(pool.second) > 0,
                "the pool went with the last of its graphs");
    recording_.Begin();
    pool_ = is_new ? MempoolId_t{0, ++pools} : pool;
    ++graphs_of_pool[pool_.second];
  }
  void capture_end() override { recording_.End(); }
  void instantiate() override {}
  void replay() override { recording_.Replay(); }
  void reset() override {
    recording_.Clear();
    LeavePool();
  }
  MempoolId_t pool() const override { return pool_; }
  void enable_debug_mode() override {}
  void debug_dump(const std::string& /*path*/) override {}

 private:
  void LeavePool() {
    const fake::World::Lock lock;
    const auto found = graphs_of_pool.find(pool_.second);
    if (found != graphs_of_pool.end() && --found->second == 0) graphs_of_pool.erase(found);
    pool_ = {0, 0};
  }

  // Under the World's lock.
  static inline std::uint64_t pools = 0;
  static inline std::map<std::uint64_t, int> graphs_of_pool;
  fake::Recording recording_;
  MempoolId_t pool_{0, 0};
};

}  // namespace

REGISTER_GRAPH_IMPL(FAKEGPU, FakeGraph)

}  // namespace at
#endif
