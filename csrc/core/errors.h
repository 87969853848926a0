// What can become of a request other than a result. The bindings turn each kind into a Python
// class.
#pragma once

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
};

struct Failure {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  explicit Error(const Failure& failure) : Error(failure.kind, failure.message) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace safeasr::core
