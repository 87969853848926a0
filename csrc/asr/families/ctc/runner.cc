#include "asr/families/ctc/runner.h"

#include <ATen/ATen.h>

#include "asr/decode/ctc_greedy.h"
#include "runtime/device_context.h"
#include "runtime/program_outputs.h"

namespace safeasr::asr {

std::vector<std::shared_ptr<const core::Result>> CtcRunner::Run(
    core::WorkerContext& context, const std::vector<core::Payload*>& batch) const {
  runtime::DeviceContext& stream = runtime::AsDeviceContext(context);
  std::vector<const Utterance*> utterances;
  for (const core::Payload* payload : batch) {
    utterances.push_back(static_cast<const Utterance*>(payload));
  }
  const LongEnough rows =
      FeaturesOfLongEnough(shape_, frontend_.get(), utterances, stream.device());
  std::vector<std::shared_ptr<Transcript>> transcripts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    transcripts.push_back(std::make_shared<Transcript>());
  }
  if (!rows.places.empty()) {
    const SubsampledBatch batched = Subsampled(shape_, rows.features, stream);
    const auto found = program_->Run(batched.inputs);
    runtime::CheckOutputs("network", found, {{"ids", at::kLong, {batched.rows}}});
    const at::Tensor ids = stream.Download({found[0]})[0];
    for (std::size_t i = 0; i < rows.places.size(); ++i) {
      Transcript& own = *transcripts[rows.places[i]];
      own.frames = batched.lengths[i];
      own.tokens = CtcCollapse(ids.data_ptr<std::int64_t>() + batched.offsets[i],
                               static_cast<std::size_t>(own.frames), blank_);
    }
  }
  return {transcripts.begin(), transcripts.end()};
}

}  // namespace safeasr::asr
