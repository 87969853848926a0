// GraphLists: what the operators of a program work out on the host, while the program is made into
// a graph, and again before each replay.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

namespace safeasr::runtime {

// How large a step may be whose graph is made: what operators need to know to leave room.
struct GraphRoom {
  std::int64_t longest_query = 0;  // rows of a stream that ask
  std::int64_t longest_key = 0;    // rows of a stream that are asked, without those in its ring
  std::int64_t window = 0;         // rows of a stream that are read from its ring
  std::int64_t append = 0;         // rows of a stream that are written to it
};

// Rows of a slab that no stream owns. Each worker takes one of them; what is there nobody reads, so
// more workers than rows do no harm.
constexpr std::int64_t kSpareRows = 16;

// A step that a graph has no room for. It runs without.
class StepDoesNotFit : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A program runs twice before it can be replayed. In the first pass lists are made, filled and
// sent; in the second, which is recorded, the same ones are found again in the same order. What
// operators make of them on the device is recorded with the rest.
class GraphLists {
 public:
  // Numbers of a list, from what the host's inputs hold now. As many each time.
  using Fill = std::function<std::vector<std::int64_t>()>;

  GraphLists(GraphRoom room, std::int64_t spare_row) : room_(room), spare_row_(spare_row) {}
  GraphLists(const GraphLists&) = delete;
  GraphLists& operator=(const GraphLists&) = delete;

  // Those of the calling thread's pass; null outside of one.
  static GraphLists* OfThisThread();
  // Tells passes of all threads apart; 0 outside of one.
  static std::int64_t PassOfThisThread();

  // One of the passes, for a scope.
  class Pass {
   public:
    Pass(GraphLists& lists, bool recorded);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
  };

  // For operators: a list (n) int64 on the device.
  at::Tensor Add(const Fill& fill, at::Device device);

  // Sends what the lists are now. Throws StepDoesNotFit when one has another length.
  void Refill();

  const GraphRoom& room() const { return room_; }
  // A row, counted from the end of a slab, that this thread may write to for nobody.
  std::int64_t spare_row() const { return spare_row_; }

 private:
  struct List {
    Fill fill;
    at::Tensor numbers;
  };

  const GraphRoom room_;
  const std::int64_t spare_row_;
  std::vector<List> lists_;
  std::size_t next_ = 0;  // of the lists, in the recorded pass
  bool recorded_ = false;
};

}  // namespace safeasr::runtime
