#include "asr/families/contextual_paraformer/runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "core/errors.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {

at::Tensor ContextualRunner::Decode(runtime::DeviceContext& context, const Fired& fired) const {
  const std::vector<Biased> utterances = WithHotwords(context, fired);
  if (utterances.size() != fired.utterances.size()) {
    throw core::Error(core::ErrorKind::kInvalidInput, "an utterance came without hotwords");
  }
  const std::int64_t count = fired.embeddings.size(0);
  const at::Tensor scales = at::ones({count}, at::kFloat);
  for (const Biased& one : utterances) {
    std::fill_n(scales.data_ptr<float>() + one.first, one.count, one.scale);
  }
  const Memory memory(utterances, 1);
  const auto decoded =
      decoder().Run({fired.embeddings, Numbers(fired.offsets), fired.hidden, fired.hidden_offsets,
                     memory.Upload(context), context.Upload(Numbers(memory.seen)), memory.offsets,
                     context.Upload(scales)});
  runtime::CheckOutputs("decoder", decoded, {{"ids", at::kLong, {count}}});
  return decoded[0];
}

}  // namespace safeasr::asr
