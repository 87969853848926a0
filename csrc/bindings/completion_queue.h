// Where finished tickets announce themselves, for the one Python thread that runs done-callbacks.
// Workers put numbers in; they never touch Python.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace safeasr {

class CompletionQueue {
 public:
  void Put(std::uint64_t token) {
    std::lock_guard<std::mutex> lock(mutex_);
    tokens_.push_back(token);
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
  std::deque<std::uint64_t> tokens_;
  bool closed_ = false;
};

}  // namespace safeasr
