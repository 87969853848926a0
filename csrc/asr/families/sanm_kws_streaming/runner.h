// Keywords in live streams: a window of many streams at a time, whatever their ages and options.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "asr/families/sanm_kws_streaming/stream.h"
#include "core/runner.h"
#include "runtime/device_context.h"
#include "runtime/program.h"

namespace safeasr::asr {

// Shapes that the program was exported with.
struct KeywordStreamShapes {
  std::int64_t layers = 0, size = 0;       // of the encoder
  std::int64_t candidates = 0;             // tokens a row
  at::ScalarType cache_type = at::kFloat;  // of keys and values
};

class KeywordStreamRunner : public core::Runner {
 public:
  // program: see python/safeasr/families/sanm_kws_streaming/network.py.
  KeywordStreamRunner(std::shared_ptr<const OnlineFrontend> frontend,
                      std::shared_ptr<const runtime::Program> program, KeywordStreamShapes shapes,
                      core::BatchLimits limits)
      : Runner(limits),
        frontend_(std::move(frontend)),
        program_(std::move(program)),
        shapes_(shapes) {}

  // Payloads are KeywordStreamRequests, results KeywordsHeard. One window of each; a request with
  // more left is Unfinished().
  std::vector<std::shared_ptr<const core::Result>> Run(
      core::WorkerContext& context, const std::vector<core::Payload*>& batch) const override;

 private:
  struct Window;

  // Samples of so many rows, as FunASR counts them.
  std::size_t SamplesOf(std::int64_t rows) const;
  // Feeds the frontend until there is a window, or no samples for one; whether there is one, or the
  // stream ends.
  bool TakeWindow(Window& window) const;
  void Feed(Window& window, std::size_t samples, bool last) const;
  void Encode(std::vector<Window*>& windows, runtime::DeviceContext& context) const;
  // After its window: looks for keywords if the stream ends, else for more windows.
  void Finish(Window& window) const;
  bool MayHaveWindow(const Window& window) const;

  const std::shared_ptr<const OnlineFrontend> frontend_;
  const std::shared_ptr<const runtime::Program> program_;
  const KeywordStreamShapes shapes_;
};

}  // namespace safeasr::asr
