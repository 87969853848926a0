#include "core/runner.h"

namespace safeasr::core {

const std::shared_ptr<const Result>& Runner::Unfinished() noexcept {
  static const Result marker{};
  // An alias of nothing: it owns nothing, so it was not allocated either.
  static const std::shared_ptr<const Result> unfinished(std::shared_ptr<void>(), &marker);
  return unfinished;
}

}  // namespace safeasr::core
