// Where finished tickets announce themselves, for the one Python thread that runs done-callbacks.
// Workers put numbers in; they never touch Python.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>

namespace safeasr {

class CompletionQueue {
 public:
  // A token with the memory that it takes in the queue, allocated before anybody waits for it: a
  // worker that finishes a ticket may find none.
  using Place = std::list<std::uint64_t>;
  static Place PlaceFor(std::uint64_t token) { return Place(1, token); }

  // Takes the place's token. Once: a place that was put is empty.
  void Put(Place& place) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    tokens_.splice(tokens_.end(), place);
    changed_.notify_one();
  }

  // Waits for the next token; nothing once the queue is closed and empty.
  std::optional<std::uint64_t> Get() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !tokens_.empty(); });
    if (tokens_.empty()) return std::nullopt;
    const std::uint64_t token = tokens_.front();
    tokens_.pop_front();
    return token;
  }

  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Place tokens_;
  bool closed_ = false;
};

}  // namespace safeasr
