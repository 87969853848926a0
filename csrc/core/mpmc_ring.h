// Bounded lock-free multi-producer multi-consumer ring (D. Vyukov's bounded MPMC queue).
//
// Each cell carries a sequence number that says whose turn it is:
//   sequence == position              the cell is free for the producer of that position
//   sequence == position + 1          the cell holds the item for the consumer of that position
//   sequence == position + capacity   the cell is free again, one lap later
// A producer or consumer claims a position with one compare-and-swap and then owns the cell alone.
//
// Reasons not to use it alone: it never blocks (see RequestQueue, which parks), it is FIFO only as
// far as positions are claimed in order, and an item claimed by a stalled producer hides those
// behind it until that producer goes on.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace safeasr::core {

template <class T>
class MpmcRing {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                    std::is_nothrow_destructible_v<T>,
                "a throw between claiming a cell and publishing it would block the ring for good");

 public:
  // Capacity is rounded up to a power of two, at least 2. Throws std::invalid_argument for 0.
  explicit MpmcRing(std::size_t capacity) : mask_(RoundUp(capacity) - 1) {
    cells_ = std::make_unique<Cell[]>(mask_ + 1);
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].sequence.store(i, std::memory_order_relaxed);
  }
  MpmcRing(const MpmcRing&) = delete;
  MpmcRing& operator=(const MpmcRing&) = delete;

  std::size_t capacity() const noexcept { return mask_ + 1; }

  // Takes the item and returns true, or leaves it untouched and returns false when full.
  bool TryPush(T& item) noexcept {
    std::size_t position = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position & mask_];
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto lag = static_cast<std::ptrdiff_t>(sequence - position);
      if (lag == 0) {
        if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
          cell.item = std::move(item);
          cell.sequence.store(position + 1, std::memory_order_release);
          return true;
        }
      } else if (lag < 0) {
        return false;
      } else {
        position = tail_.load(std::memory_order_relaxed);
      }
    }
  }

  // Moves the oldest item out and returns true, or returns false when empty.
  bool TryPop(T& item) noexcept {
    std::size_t position = head_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[position & mask_];
      const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
      const auto lag = static_cast<std::ptrdiff_t>(sequence - (position + 1));
      if (lag == 0) {
        if (head_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) {
          item = std::move(cell.item);
          cell.item = T();  // whatever the item owned must not live on in the ring
          cell.sequence.store(position + mask_ + 1, std::memory_order_release);
          return true;
        }
      } else if (lag < 0) {
        return false;
      } else {
        position = head_.load(std::memory_order_relaxed);
      }
    }
  }

 private:
  // Two lines: adjacent-line prefetchers pull cache lines in pairs.
  static constexpr std::size_t kApart = 128;

  struct Cell {
    std::atomic<std::size_t> sequence{0};
    T item{};
  };

  static std::size_t RoundUp(std::size_t n) {
    if (n == 0) throw std::invalid_argument("ring capacity must be at least 1, got 0");
    // Doubling past the largest power of two gives 0, and would go on for ever.
    if (n > std::numeric_limits<std::size_t>::max() / 2) {
      throw std::length_error("ring capacity is too large: " + std::to_string(n));
    }
    std::size_t p = 2;
    while (p < n) p *= 2;
    return p;
  }

  const std::size_t mask_;
  std::unique_ptr<Cell[]> cells_;
  alignas(kApart) std::atomic<std::size_t> head_{0};
  alignas(kApart) std::atomic<std::size_t> tail_{0};
};

}  // namespace safeasr::core
