#include "asr/ops/operators.h"

#include <torch/library.h>

#include "asr/ops/gate_op.h"
#include "asr/ops/grouped_conv.h"
#include "asr/ops/int8_linear.h"
#include "asr/ops/norm_op.h"
#include "asr/ops/ragged_attention.h"
#include "asr/ops/ragged_lstm.h"
#include "asr/ops/ragged_memory.h"
#include "asr/ops/relative_attention.h"
#include "asr/ops/row_ops.h"

namespace safeasr::asr {

void RegisterOperators() {
  static const auto library = [] {
    torch::Library made(torch::Library::DEF, "safeasr", std::nullopt, __FILE__, __LINE__);
    // (a!): what is written is seen by nobody but the next step.
    made.def(
        "ragged_memory(Tensor x, Tensor taps, int left, Tensor offsets, Tensor? residual, "
        "Tensor[] past, Tensor(a!)[] next, int layer) -> Tensor",
        &RaggedMemory);
    made.def(
        "ragged_attention(Tensor q, Tensor k, Tensor v, int heads, Tensor query_offsets, "
        "Tensor key_offsets, Tensor(a!)[] caches, Tensor spans, int layer) -> Tensor",
        &RaggedAttention);
    made.def(
        "alibi_attention(Tensor q, Tensor k, Tensor v, int heads, Tensor offsets, Tensor places, "
        "Tensor slopes) -> Tensor",
        &AlibiAttention);
    made.def(
        "ragged_attention_by(Tensor q, Tensor k, Tensor v, int heads, Tensor query_offsets, "
        "Tensor key_offsets, Tensor(a!)[] caches, Tensor spans, int layer, str packed_way) "
        "-> Tensor",
        &RaggedAttentionBy);
    made.def(
        "ragged_lstm(Tensor x, Tensor w_ih, Tensor w_hh, Tensor bias, Tensor offsets, "
        "bool resumed=False) -> Tensor",
        &RaggedLstm);
    made.def(
        "relative_attention(Tensor q, Tensor k, Tensor v, Tensor p, Tensor content_bias, "
        "Tensor position_bias, int heads, Tensor offsets, Tensor firsts, bool shifted) -> Tensor",
        &RelativeAttention);
    made.def("gate(Tensor x, Tensor by) -> Tensor", &Gate);
    made.def("encode_distances(Tensor positions, Tensor rates) -> Tensor", &EncodeDistances);
    made.def("encode_positions(Tensor positions, int size) -> Tensor", &EncodePositions);
    made.def(
        "cif_weights(Tensor x, Tensor weight, Tensor bias, float smooth_factor, "
        "float noise_threshold) -> Tensor",
        &CifRowWeights);
    made.def("gelu_(Tensor(a!) x) -> Tensor(a!)", &Gelu);
    made.def("grouped_conv(Tensor x, Tensor weight, Tensor bias) -> Tensor", &GroupedConv);
    made.def(
        "norm(Tensor x, Tensor weight, Tensor bias, float epsilon, bool narrow, "
        "bool half=False) -> Tensor",
        &Norm);
    made.def(
        "add_norm(Tensor x, Tensor update, Tensor weight, Tensor bias, float epsilon, "
        "bool narrow, bool half=False) -> (Tensor, Tensor)",
        &AddNorm);
    made.def(
        "int8_linear(Tensor x, Tensor weight, Tensor scale, Tensor? bias, bool relu) -> Tensor",
        &Int8Linear);
    made.def(
        "int8_linear_packed(Tensor x, Tensor packed, Tensor scale, Tensor sums, "
        "Tensor no_zero_points, Tensor? bias, bool relu) -> Tensor",
        &Int8LinearPacked);
    return made;
  }();
}

}  // namespace safeasr::asr
