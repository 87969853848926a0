// Requests of live streams: whatever fails on the way, a batch has changed all of its streams or
// none of them.
#include "asr/live/stream_request.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>

#include "check.h"
#include "core/worker_context.h"

namespace {

// Allocations of this thread until one fails; 0: none will.
thread_local int until_failure = 0;

void* Allocate(std::size_t size) {
  if (until_failure > 0 && --until_failure == 0) throw std::bad_alloc();
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace safeasr;

namespace {

constexpr std::size_t kPiece = 4;  // samples

struct Sums : core::Result {
  std::vector<double> sums;
};

// Adds up pieces of samples, and all samples of former pieces to each.
struct SumStream {
  struct State {
    std::vector<float> held;
    std::vector<double> total{0};  // in memory of its own, as real states are
  };
  using Item = double;

  State Fresh() const { return {}; }
  static std::shared_ptr<const core::Result> MakeResult(std::vector<double> sums) {
    auto result = std::make_shared<Sums>();
    result->sums = std::move(sums);
    return result;
  }
  State state;
};

using SumRequest = asr::StreamRequest<SumStream>;

struct BreakingContext : core::WorkerContext {
  void Finish() override {
    if (broken) throw std::runtime_error("the device broke");
  }
  bool broken = false;
};

using Results = std::vector<std::shared_ptr<const core::Result>>;

Results RunPieces(core::WorkerContext& context, const std::vector<SumRequest*>& batch) {
  std::vector<asr::PieceOf<SumStream>> pieces;
  pieces.reserve(batch.size());
  for (SumRequest* request : batch) {
    request->Begin([](SumStream::State&, std::size_t) {});
    pieces.emplace_back(*request);
    asr::PieceOf<SumStream>& piece = pieces.back();
    const std::size_t pieces_left = request->left() / kPiece + (request->is_final ? 1 : 0);
    piece.done = pieces_left <= 1;
    if (pieces_left == 0) continue;
    for (std::size_t i = 0; i < kPiece && piece.taken < request->wave.size(); ++i) {
      piece.next.total[0] += request->wave[piece.taken++];
    }
    piece.found.push_back(piece.next.total[0]);
  }
  return asr::CommitPieces(context, pieces);
}

// All pieces of the requests, each batch with the n-th allocation failing first, for every n, and
// the requests alone after a failure of a batch as the engine runs them.
std::vector<std::vector<double>> RunWhileMemoryFails(core::WorkerContext& context,
                                                     std::vector<SumRequest*> batch,
                                                     int* failures) {
  std::vector<std::vector<double>> found(batch.size());
  const std::vector<SumRequest*> all = batch;
  while (!batch.empty()) {
    Results results;
    for (int n = 1; results.empty(); ++n) {
      until_failure = n;
      try {
        results = RunPieces(context, batch);
      } catch (const std::bad_alloc&) {
        ++*failures;
      }
      until_failure = 0;
    }
    std::vector<SumRequest*> unfinished;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (results[i] == core::Runner::Unfinished()) {
        unfinished.push_back(batch[i]);
        continue;
      }
      const auto place = std::find(all.begin(), all.end(), batch[i]) - all.begin();
      found[static_cast<std::size_t>(place)] = static_cast<const Sums&>(*results[i]).sums;
    }
    batch = unfinished;
  }
  return found;
}

std::vector<float> Ones(std::size_t count) { return std::vector<float>(count, 1.0f); }

}  // namespace

TEST(EachAllocationMayFail) {
  BreakingContext context;
  const auto a = std::make_shared<SumStream>(), b = std::make_shared<SumStream>();
  int failures = 0;
  {
    SumRequest first(a, Ones(6), false), second(b, Ones(13), false);
    const auto found = RunWhileMemoryFails(context, {&first, &second}, &failures);
    CHECK(found[0] == std::vector<double>({4}));
    CHECK(found[1] == std::vector<double>({4, 8, 12}));
    CHECK_EQ(a->state.held.size(), 2u);
    CHECK_EQ(b->state.held.size(), 1u);
  }
  {
    SumRequest first(a, Ones(3), true), second(b, Ones(2), false);
    const auto found = RunWhileMemoryFails(context, {&first, &second}, &failures);
    CHECK(found[0] == std::vector<double>({8, 9}));
    CHECK(found[1].empty());
    CHECK(a->state.held.empty());
    CHECK_EQ(a->state.total[0], 0.0);
    CHECK_EQ(b->state.held.size(), 3u);
  }
  CHECK(failures > 20);
}

TEST(ADeviceThatBreaksChangesNothing) {
  BreakingContext context;
  const auto a = std::make_shared<SumStream>(), b = std::make_shared<SumStream>();
  SumRequest first(a, Ones(6), false), second(b, Ones(5), false);
  context.broken = true;
  CHECK_THROWS(RunPieces(context, {&first, &second}), std::runtime_error);
  CHECK_EQ(a->state.total[0], 0.0);
  CHECK(a->state.held.empty());
  context.broken = false;
  for (SumRequest* alone : {&second, &first}) {
    const Results results = RunPieces(context, {alone});
    CHECK(static_cast<const Sums&>(*results[0]).sums == std::vector<double>({4}));
  }
  CHECK_EQ(a->state.held.size(), 2u);
  CHECK_EQ(b->state.held.size(), 1u);
}

// The engine waits for the device once more after the runner: what was answered may be asked again.
TEST(ARequestThatIsDoneAnswersTheSameAgain) {
  BreakingContext context;
  const auto stream = std::make_shared<SumStream>();
  SumRequest request(stream, Ones(7), false);
  for (int i = 0; i < 2; ++i) {
    const Results results = RunPieces(context, {&request});
    CHECK(static_cast<const Sums&>(*results[0]).sums == std::vector<double>({4}));
    CHECK_EQ(stream->state.total[0], 4.0);
    CHECK_EQ(stream->state.held.size(), 3u);
  }
}
