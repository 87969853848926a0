#include "core/forks.h"

#include <pthread.h>

#include <mutex>

namespace safeasr::core {
namespace {

std::mutex held;

// Taken by the thread that forks, which the child has, too: so the child finds it free.
struct WhoeverForks {
  WhoeverForks() noexcept {
    pthread_atfork([] { held.lock(); }, [] { held.unlock(); }, [] { held.unlock(); });
  }
} whoever_forks;

}  // namespace

NoForks::NoForks() { held.lock(); }

NoForks::~NoForks() { held.unlock(); }

}  // namespace safeasr::core
