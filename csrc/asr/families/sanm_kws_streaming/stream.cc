#include "asr/families/sanm_kws_streaming/stream.h"

#include <stdexcept>
#include <string>

namespace safeasr::asr {

void KeywordStreamOptions::Check() const {
  // 10,000 rows are ten minutes.
  constexpr std::int64_t kMost = 10000;
  if (left < 0 || chunk < 1 || right < 0 || left > kMost || chunk > kMost || right > kMost) {
    throw std::invalid_argument(
        "chunk_size must be [left, chunk, right] in rows, chunk at least 1 and the others not "
        "negative, got [" +
        std::to_string(left) + ", " + std::to_string(chunk) + ", " + std::to_string(right) + "]");
  }
  if (look_back < -1 || look_back > kMost) {
    throw std::invalid_argument("encoder_chunk_look_back must be -1 or a number of chunks, got " +
                                std::to_string(look_back));
  }
}

}  // namespace safeasr::asr
