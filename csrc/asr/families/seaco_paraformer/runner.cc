#include "asr/families/seaco_paraformer/runner.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "runtime/program_outputs.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

// Rows of keys and values that one run may spread out: some MB for each layer.
constexpr std::int64_t kMostRowsAtATime = 16384;

}  // namespace

// What the first decoder gave.
struct SeacoRunner::Tokens {
  const at::Tensor &embeddings, &hidden, &ids;
};

std::vector<at::Tensor> SeacoRunner::RunBiasDecoder(runtime::DeviceContext& context,
                                                    const Tokens& tokens,
                                                    const std::vector<Biased>& utterances,
                                                    bool filter) const {
  const at::Device device = context.device();
  // The tokens' rows among embeddings and hidden vectors, one below the other: hidden vectors alone
  // decide which words count; for the rest both go through the decoder, and are added behind it.
  const std::int64_t second = tokens.embeddings.size(0);
  std::vector<std::int64_t> rows, counts, places;
  for (const std::int64_t side :
       filter ? std::vector<std::int64_t>{second} : std::vector<std::int64_t>{0, second}) {
    for (const Biased& one : utterances) {
      counts.push_back(one.count);
      for (std::int64_t t = 0; t < one.count; ++t) rows.push_back(side + one.first + t);
    }
  }
  const auto padded = [device](std::vector<std::int64_t> list) {
    const auto count = static_cast<std::int64_t>(list.size());
    list.resize(static_cast<std::size_t>(Padded(count, StepOn(device, kTokenStep))), 0);
    return list;
  };
  const auto count = static_cast<std::int64_t>(rows.size() / (filter ? 1 : 2));
  for (std::int64_t t = 0; t < count; ++t) places.push_back(rows[static_cast<std::size_t>(t)]);
  std::vector<std::int64_t> left, right;
  for (std::int64_t t = 0; t < count; ++t) {
    left.push_back(t);
    right.push_back(filter ? t : count + t);
  }
  const Memory memory(utterances, filter ? 1 : 2);

  runtime::IndexLists lists;
  lists.Add(padded(rows));
  lists.Add(memory.seen);
  lists.Add(places);
  lists.Add(padded(left));
  lists.Add(padded(right));
  const std::vector<at::Tensor> sent = lists.Upload(device);
  auto given =
      bias_decoder_->Run({tokens.embeddings, tokens.hidden, tokens.ids, sent[0],
                          Numbers(Offsets(counts)), memory.Upload(context), sent[1], memory.offsets,
                          sent[2], sent[3], sent[4], at::full({1}, filter, at::kBool)});
  const std::int64_t scores = filter ? static_cast<std::int64_t>(memory.seen.size()) : 0;
  runtime::CheckOutputs(
      "bias decoder", given,
      {{"ids", at::kLong, {tokens.ids.size(0)}}, {"scores", at::kFloat, {scores}}});
  return given;
}

void SeacoRunner::Filter(runtime::DeviceContext& context, const Tokens& tokens,
                         std::vector<Biased>* utterances) const {
  std::vector<std::size_t> long_ones;
  for (std::size_t i = 0; i < utterances->size(); ++i) {
    if ((*utterances)[i].list->size() > most_words_) long_ones.push_back(i);
  }
  for (std::size_t next = 0; next < long_ones.size();) {
    std::vector<Biased> some;
    std::int64_t rows = 0;
    const std::size_t first = next;
    for (; next < long_ones.size(); ++next) {
      const Biased& one = (*utterances)[long_ones[next]];
      if (!some.empty() && rows + one.list->size() > kMostRowsAtATime) break;
      rows += one.list->size();
      some.push_back(one);
    }
    const at::Tensor scores =
        context.Download({RunBiasDecoder(context, tokens, some, /*filter=*/true)[1]})[0];
    std::int64_t done = 0;
    for (std::size_t i = first; i < next; ++i) {
      Biased& one = (*utterances)[long_ones[i]];
      const std::int64_t words = one.list->size();
      const at::Tensor best =
          std::get<1>(at::topk(scores.narrow(0, done, words), std::min(most_words_, words - 1)));
      const std::int64_t* chosen = best.data_ptr<std::int64_t>();
      one.chosen.assign(chosen, chosen + best.numel());
      // The last one stands for no word, and always counts; FunASR lets it count twice.
      one.chosen.push_back(words - 1);
      done += words;
    }
  }
}

at::Tensor SeacoRunner::Decode(runtime::DeviceContext& context, const Fired& fired) const {
  const auto decoded =
      decoder().Run({fired.embeddings, Numbers(fired.offsets), fired.hidden, fired.hidden_offsets});
  const std::int64_t count = fired.embeddings.size(0);
  runtime::CheckOutputs(
      "decoder", decoded,
      {{"ids", at::kLong, {count}}, {"hidden", at::kFloat, {count, fired.embeddings.size(1)}}});
  std::vector<Biased> utterances = WithHotwords(context, fired);
  utterances.erase(std::remove_if(utterances.begin(), utterances.end(),
                                  [](const Biased& one) { return one.count == 0; }),
                   utterances.end());
  if (utterances.empty()) return decoded[0];
  const Tokens tokens{fired.embeddings, decoded[1], decoded[0]};
  Filter(context, tokens, &utterances);
  return RunBiasDecoder(context, tokens, utterances, /*filter=*/false)[0];
}

}  // namespace safeasr::asr
