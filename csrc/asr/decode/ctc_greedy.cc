#include "asr/decode/ctc_greedy.h"

namespace safeasr::asr {

std::vector<std::int64_t> CtcCollapse(const std::int64_t* path, std::size_t frames,
                                      std::int64_t blank) {
  std::vector<std::int64_t> tokens;
  for (std::size_t t = 0; t < frames; ++t) {
    const bool repeated = t > 0 && path[t] == path[t - 1];
    if (!repeated && path[t] != blank) tokens.push_back(path[t]);
  }
  return tokens;
}

}  // namespace safeasr::asr
