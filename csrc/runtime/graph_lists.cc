#include "runtime/graph_lists.h"

#include <atomic>
#include <stdexcept>
#include <string>

#include "runtime/upload.h"

namespace safeasr::runtime {
namespace {

thread_local GraphLists* current = nullptr;
thread_local std::int64_t pass = 0;

}  // namespace

GraphLists* GraphLists::OfThisThread() { return current; }

std::int64_t GraphLists::PassOfThisThread() { return pass; }

GraphLists::Pass::Pass(GraphLists& lists, bool recorded) {
  static std::atomic<std::int64_t> passes{0};
  lists.next_ = 0;
  lists.recorded_ = recorded;
  current = &lists;
  pass = passes.fetch_add(1) + 1;
}

GraphLists::Pass::~Pass() {
  current = nullptr;
  pass = 0;
}

at::Tensor GraphLists::Add(const Fill& fill, at::Device device) {
  if (recorded_) {
    if (next_ == lists_.size())
      throw std::logic_error("a program asked for more lists than before");
    return lists_[next_++].numbers;
  }
  lists_.push_back({fill, Upload(fill(), device)});
  return lists_.back().numbers;
}

void GraphLists::Refill() {
  for (const List& list : lists_) {
    const std::vector<std::int64_t> numbers = list.fill();
    if (static_cast<std::int64_t>(numbers.size()) != list.numbers.size(0)) {
      throw StepDoesNotFit("a step with a list of " + std::to_string(numbers.size()) +
                           " numbers, where the graph has room for " +
                           std::to_string(list.numbers.size(0)));
    }
    Upload(numbers, list.numbers);
  }
}

}  // namespace safeasr::runtime
