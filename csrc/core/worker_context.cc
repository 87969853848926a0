#include "core/worker_context.h"

#include <new>

#include "core/batch_stop.h"

namespace safeasr::core {

void WorkerContext::ThrowIfUnwanted() const {
  if (stop_ != nullptr) stop_->ThrowIfStopped();
}

Failure WorkerContext::NoteFailure(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return MakeFailure(e.kind(), e.what());
  } catch (const std::bad_alloc&) {
    return MakeFailure(ErrorKind::kOutOfMemory, "there is not enough memory");
  } catch (const std::exception& e) {
    return MakeFailure(ErrorKind::kInternal, e.what());
  } catch (...) {
    return MakeFailure(ErrorKind::kInternal,
                       "the runner threw something that is no std::exception");
  }
}

}  // namespace safeasr::core
