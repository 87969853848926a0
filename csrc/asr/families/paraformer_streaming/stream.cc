#include "asr/families/paraformer_streaming/stream.h"

#include <stdexcept>
#include <string>

namespace safeasr::asr {

void StreamingOptions::Check() const {
  // A second and more of context in rows is far beyond any use; 10,000 rows are ten minutes.
  constexpr std::int64_t kMost = 10000;
  const auto shown = "[" + std::to_string(left) + ", " + std::to_string(chunk) + ", " +
                     std::to_string(right) + "]";
  if (left < 0 || chunk < 1 || right < 0 || left > kMost || chunk > kMost || right > kMost) {
    throw std::invalid_argument(
        "chunk_size must be [left, chunk, right] in rows of 60 ms, chunk at least 1 and the others "
        "not negative, got " +
        shown);
  }
  if (left + right == 0) {
    throw std::invalid_argument("chunk_size: left and right cannot both be 0, got " + shown +
                                ": a step must be able to see a row beside its chunk");
  }
  for (const std::int64_t back : {encoder_look_back, decoder_look_back}) {
    if (back < -1 || back > kMost) {
      throw std::invalid_argument(
          "encoder_chunk_look_back and decoder_chunk_look_back must be -1 or a number of chunks, "
          "got " +
          std::to_string(back));
    }
  }
}

void ParaformerStreamState::Detach() {
  encoder.Detach();
  decoder.Detach();
  overlap_rows.Detach();
  memory_rows.Detach();
}

}  // namespace safeasr::asr
