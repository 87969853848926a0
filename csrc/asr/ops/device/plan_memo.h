// What a device is told about a batch is worked out and copied there once, not in each layer.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/graph_lists.h"

namespace safeasr::asr {

// A few plans of the calling thread, found by the numbers they were made from: the layers of a
// program bring the same ones, and the next batch pushes them out. Numbers are compared as they
// are, not by where they lie, so nothing need be kept alive and no address can deceive; some
// thousands of them cost less than one launch.
template <class Plan>
class PlanMemo {
 public:
  // The thread's own. A plan lies in the memory of the stream that it was made on, so the stream
  // is one of the numbers.
  static PlanMemo& OfThisThread() {
    static thread_local PlanMemo memo;
    return memo;
  }

  template <class Make>
  std::shared_ptr<const Plan> Get(std::vector<std::int64_t> numbers, at::Device device,
                                  const Make& make) {
    // What a graph is made of is its own.
    numbers.push_back(runtime::GraphLists::PassOfThisThread());
    numbers.push_back(static_cast<std::int64_t>(device.type()));
    numbers.push_back(device.has_index() ? device.index() : -1);
    if (!device.is_cpu()) {
      numbers.push_back(c10::impl::VirtualGuardImpl(device.type()).getStream(device).id());
    }
    for (const Entry& entry : entries_) {
      if (entry.first == numbers) return entry.second;
    }
    auto plan = std::make_shared<const Plan>(make());
    if (entries_.size() == kMost) entries_.pop_back();
    entries_.emplace_front(std::move(numbers), plan);
    return plan;
  }

 private:
  using Entry = std::pair<std::vector<std::int64_t>, std::shared_ptr<const Plan>>;
  // Encoder, decoder and their types, and room to spare.
  static constexpr std::size_t kMost = 4;
  std::deque<Entry> entries_;
};

}  // namespace safeasr::asr
