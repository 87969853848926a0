#include "asr/biased_runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {

BiasedRunner::Memory::Memory(const std::vector<Biased>& utterances, std::size_t passes) {
  std::vector<std::pair<const HotwordList*, std::int64_t>> whole_lists;
  std::vector<at::Tensor> parts;
  std::vector<std::int64_t> begins, counts;
  std::int64_t rows = 0;
  const auto add = [&](const at::Tensor& part) {
    begins.push_back(rows);
    parts.push_back(part);
    rows += part.size(0);
  };
  for (const Biased& one : utterances) {
    counts.push_back(one.seen());
    if (!one.chosen.empty()) {
      add(one.rows.index_select(0, Numbers(one.chosen)));
      continue;
    }
    const auto known = std::find_if(whole_lists.begin(), whole_lists.end(),
                                    [&](const auto& begin) { return begin.first == one.list; });
    if (known == whole_lists.end()) {
      whole_lists.emplace_back(one.list, rows);
      add(one.rows);
    } else {
      begins.push_back(known->second);
    }
  }
  std::vector<std::int64_t> all_counts;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    for (std::size_t i = 0; i < utterances.size(); ++i) {
      for (std::int64_t w = 0; w < counts[i]; ++w) seen.push_back(begins[i] + w);
      all_counts.push_back(counts[i]);
    }
  }
  words = at::cat(parts);
  offsets = Numbers(Offsets(all_counts));
}

at::Tensor BiasedRunner::Memory::Upload(const runtime::DeviceContext& context) const {
  return context.Upload(PadRows(words, StepOn(context.device(), RowStep(words.size(0)))));
}

at::Tensor BiasedRunner::Encode(runtime::DeviceContext& context, const HotwordList& list) const {
  std::vector<std::int64_t> last;
  for (std::int64_t w = 0; w < list.size(); ++w) {
    last.push_back(list.offsets()[static_cast<std::size_t>(w) + 1] - 1);
  }
  const auto encoded = bias_encoder_->Run({context.Upload(Numbers(list.ids())),
                                           Numbers(list.offsets()), context.Upload(Numbers(last))});
  runtime::CheckOutputs("bias encoder", encoded,
                        {{"words", at::kFloat, {list.size(), runtime::kAnySize}}});
  return context.Download(encoded)[0];
}

std::vector<BiasedRunner::Biased> BiasedRunner::WithHotwords(runtime::DeviceContext& context,
                                                             const Fired& fired) const {
  std::vector<Biased> utterances;
  for (std::size_t i = 0; i < fired.utterances.size(); ++i) {
    const auto* one = static_cast<const BiasedUtterance*>(fired.utterances[i]);
    if (one->hotwords == nullptr) continue;
    utterances.push_back(
        {fired.offsets[i],
         fired.offsets[i + 1] - fired.offsets[i],
         one->hotwords.get(),
         one->hotwords->Rows([&](const HotwordList& list) { return Encode(context, list); }),
         {},
         one->bias_scale});
  }
  return utterances;
}

}  // namespace safeasr::asr
