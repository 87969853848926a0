// Live streams of the streaming recogniser.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "asr/families/paraformer_streaming/runner.h"
#include "asr/families/paraformer_streaming/stream.h"
#include "bindings/live_stream.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

std::int64_t CostOfStep(const asr::StreamingOptions& options) {
  return options.left + options.chunk + options.right;
}

using PyParaformerStream = PyLiveStream<asr::ParaformerStreamRunner, asr::ParaformerStream>;
using ChunkSize = std::array<std::int64_t, 3>;

asr::StreamingOptions MakeOptions(const ChunkSize& size, std::int64_t encoder_look_back,
                                  std::int64_t decoder_look_back) {
  return {size[0], size[1], size[2], encoder_look_back, decoder_look_back};
}

// Like other recordings it goes through the queue, with their priority.
std::shared_ptr<PyTicket> SubmitWhole(std::shared_ptr<asr::ParaformerStreamRunner> self,
                                      PyEngine& engine, const FloatArray& samples,
                                      const ChunkSize& chunk_size, std::int64_t encoder_look_back,
                                      std::int64_t decoder_look_back, bool is_final,
                                      const Terms& terms) {
  const auto stream = std::make_shared<asr::ParaformerStream>(
      MakeOptions(chunk_size, encoder_look_back, decoder_look_back));
  auto request =
      std::make_unique<asr::ParaformerStreamRequest>(stream, CopySamples(samples), is_final);
  return Submit(engine, std::move(self), std::move(request), CostOfStep(stream->options), terms);
}

py::object TokensToPython(const asr::StreamTokens& result) {
  py::dict out;
  out["tokens"] = result.tokens;
  return std::move(out);
}

void BindStreams(py::module_& module) {
  py::class_<asr::ParaformerStreamRunner, core::Runner,
             std::shared_ptr<asr::ParaformerStreamRunner>>(
      module, "ParaformerStreamRunner", "Streaming Paraformer, batched across live streams.")
      .def(py::init([](std::shared_ptr<asr::OnlineFrontend> frontend,
                       std::shared_ptr<runtime::Program> encoder,
                       std::shared_ptr<runtime::Program> decoder, const core::BatchLimits& limits,
                       std::int64_t encoder_layers, std::int64_t encoder_size,
                       std::int64_t decoder_layers, std::int64_t decoder_kernel,
                       std::int64_t cif_left, std::int64_t cif_right, double tail_threshold,
                       double feature_scale, bool narrow, bool half) {
             return std::make_shared<asr::ParaformerStreamRunner>(
                 std::move(frontend), std::move(encoder), std::move(decoder),
                 asr::StreamingShapes{encoder_layers, encoder_size, decoder_layers, decoder_kernel,
                                      cif_left, cif_right, tail_threshold, feature_scale,
                                      half     ? at::kHalf
                                      : narrow ? at::kBFloat16
                                               : at::kFloat},
                 limits);
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("encoder").none(false),
           py::arg("decoder").none(false), py::arg("limits"), py::arg("encoder_layers"),
           py::arg("encoder_size"), py::arg("decoder_layers"), py::arg("decoder_kernel"),
           py::arg("cif_left"), py::arg("cif_right"), py::arg("tail_threshold"),
           py::arg("feature_scale"), py::arg("narrow") = false, py::arg("half") = false)
      .def("use_graphs", &asr::ParaformerStreamRunner::UseGraphs,
           "Record steps and replay them, on devices that can.")
      .def(
          "graph_counts",
          [](const asr::ParaformerStreamRunner& self) {
            const runtime::GraphCounts& counts = self.graph_counts();
            py::dict found;
            found["made"] = counts.made.load();
            found["replayed"] = counts.replayed.load();
            found["slower"] = counts.slower.load();
            found["failed"] = counts.failed.load();
            return found;
          },
          "What became of the graphs of steps: made, replayed, slower than launches, failed.")
      .def(
          "open",
          [](std::shared_ptr<asr::ParaformerStreamRunner> self, PyEngine& engine,
             const ChunkSize& chunk_size, std::int64_t encoder_look_back,
             std::int64_t decoder_look_back, std::size_t max_waiting) {
            const auto stream = std::make_shared<asr::ParaformerStream>(
                MakeOptions(chunk_size, encoder_look_back, decoder_look_back));
            return std::make_shared<PyParaformerStream>(std::move(self), engine, stream,
                                                        CostOfStep(stream->options), max_waiting);
          },
          py::arg("engine"), py::kw_only(), py::arg("chunk_size"), py::arg("encoder_look_back"),
          py::arg("decoder_look_back"), py::arg("max_waiting") = 256,
          "A new stream. max_waiting: chunks that may wait behind the one that runs.")
      .def("submit", &SubmitWhole, py::arg("engine"), py::arg("samples").noconvert(), py::kw_only(),
           py::arg("chunk_size"), py::arg("encoder_look_back"), py::arg("decoder_look_back"),
           py::arg("is_final") = true, py::arg("terms") = Terms(),
           "Queue samples (n,), float32, that are a stream of their own: a recording.");

  PyParaformerStream::Bind(module, "ParaformerStream");
}

const Registered streams_registered(&BindStreams);
const RegisterResult<asr::StreamTokens> stream_tokens_registered(&TokensToPython);

}  // namespace
}  // namespace safeasr
