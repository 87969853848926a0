#include "asr/operators.h"

#include <torch/library.h>

#include "asr/chunk_attention.h"
#include "asr/fsmn_op.h"
#include "asr/ragged_memory.h"

namespace safeasr::asr {

void RegisterOperators() {
  static const auto library = [] {
    torch::Library made(torch::Library::DEF, "safeasr", std::nullopt, __FILE__, __LINE__);
    made.def(
        "fsmn_memory(Tensor x, Tensor taps, int left, Tensor? mask, Tensor? residual) -> Tensor",
        &FsmnMemory);
    // (a!): what is written is seen by nobody but the next step.
    made.def(
        "ragged_memory(Tensor x, Tensor taps, int left, Tensor offsets, Tensor? residual, "
        "Tensor[] past, Tensor(a!)[] next, int layer) -> Tensor",
        &RaggedMemory);
    made.def(
        "chunk_attention(Tensor q, Tensor k, Tensor v, int heads, Tensor query_offsets, "
        "Tensor key_offsets, Tensor(a!)[] caches, Tensor spans, int layer) -> Tensor",
        &ChunkAttention);
    return made;
  }();
}

}  // namespace safeasr::asr
