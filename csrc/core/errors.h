// What can become of a request other than a result.
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace safeasr::core {

enum class ErrorKind {
  kInternal,          // a program threw, or safeasr itself is at fault
  kInvalidInput,      // the request's own data cannot be processed
  kQueueFull,         // no room before the caller's timeout
  kDeadlineExceeded,  // the request's deadline passed before it was finished
  kCancelled,         // the caller took it back
  kClosed,            // the engine was closed
  kForked,            // the engine belongs to the parent process
  kOutOfMemory,       // there was not enough memory to run it, even alone
};

// Of the Python class that the bindings turn a kind into.
inline const char* NameOf(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInternal:
      return "InferenceError";
    case ErrorKind::kInvalidInput:
      return "AudioError";
    case ErrorKind::kQueueFull:
      return "QueueFullError";
    case ErrorKind::kDeadlineExceeded:
      return "DeadlineExceededError";
    case ErrorKind::kCancelled:
      return "CancelledError";
    case ErrorKind::kClosed:
      return "EngineClosedError";
    case ErrorKind::kForked:
      return "ForkedProcessError";
    case ErrorKind::kOutOfMemory:
      return "OutOfMemoryError";
  }
  return "SafeASRError";
}

struct Failure {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

// Without memory for the message the kind still arrives.
inline Failure MakeFailure(ErrorKind kind, const char* message) noexcept {
  try {
    return {kind, message};
  } catch (const std::bad_alloc&) {
    return {kind, std::string()};
  }
}

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  explicit Error(const Failure& failure) : Error(failure.kind, failure.message) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace safeasr::core
