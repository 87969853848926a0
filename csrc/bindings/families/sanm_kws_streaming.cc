// Live streams that keywords are looked for in.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "asr/families/sanm_kws_streaming/runner.h"
#include "asr/families/sanm_kws_streaming/stream.h"
#include "bindings/live_stream.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using PyKeywordStream = PyLiveStream<asr::KeywordStreamRunner, asr::KeywordStream>;
using WindowSize = std::array<std::int64_t, 3>;

std::int64_t CostOfWindow(const asr::KeywordStream& stream) {
  const asr::KeywordStreamOptions& options = stream.options;
  return options.left + options.chunk + options.right;
}

std::shared_ptr<asr::KeywordStream> MakeKeywordStream(
    const WindowSize& size, std::int64_t look_back, std::shared_ptr<asr::KeywordSearch> keywords) {
  return std::make_shared<asr::KeywordStream>(
      asr::KeywordStreamOptions{size[0], size[1], size[2], look_back}, std::move(keywords));
}

std::shared_ptr<PyTicket> SubmitWholeStream(std::shared_ptr<asr::KeywordStreamRunner> self,
                                            PyEngine& engine, const FloatArray& samples,
                                            const WindowSize& chunk_size, std::int64_t look_back,
                                            std::shared_ptr<asr::KeywordSearch> keywords,
                                            bool is_final, const Terms& terms) {
  const auto stream = MakeKeywordStream(chunk_size, look_back, std::move(keywords));
  auto request =
      std::make_unique<asr::KeywordStreamRequest>(stream, CopySamples(samples), is_final);
  return Submit(engine, std::move(self), std::move(request), CostOfWindow(*stream), terms);
}

py::object HeardToPython(const asr::KeywordsHeard& heard) {
  py::dict out;
  out["ended"] = heard.ended;
  out["keyword"] = py::none();
  if (heard.hit) {
    out["keyword"] = py::bytes(heard.keywords->name(heard.hit->keyword));
    out["score"] = heard.hit->score;
  }
  return std::move(out);
}

void BindKeywordStreams(py::module_& module) {
  py::class_<asr::KeywordStreamRunner, core::Runner, std::shared_ptr<asr::KeywordStreamRunner>>(
      module, "KeywordStreamRunner", "Keywords in live streams, batched across them.")
      .def(py::init([](std::shared_ptr<asr::OnlineFrontend> frontend,
                       std::shared_ptr<runtime::Program> program, const core::BatchLimits& limits,
                       std::int64_t layers, std::int64_t size, std::int64_t candidates, bool narrow,
                       bool half) {
             return std::make_shared<asr::KeywordStreamRunner>(
                 std::move(frontend), std::move(program),
                 asr::KeywordStreamShapes{layers, size, candidates,
                                          half     ? at::kHalf
                                          : narrow ? at::kBFloat16
                                                   : at::kFloat},
                 limits);
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("program").none(false),
           py::arg("limits"), py::arg("layers"), py::arg("size"), py::arg("candidates"),
           py::arg("narrow") = false, py::arg("half") = false)
      .def(
          "open",
          [](std::shared_ptr<asr::KeywordStreamRunner> self, PyEngine& engine,
             const WindowSize& chunk_size, std::int64_t look_back,
             std::shared_ptr<asr::KeywordSearch> keywords, std::size_t max_waiting) {
            const auto stream = MakeKeywordStream(chunk_size, look_back, std::move(keywords));
            return std::make_shared<PyKeywordStream>(std::move(self), engine, stream,
                                                     CostOfWindow(*stream), max_waiting);
          },
          py::arg("engine"), py::kw_only(), py::arg("chunk_size"), py::arg("look_back"),
          py::arg("keywords").none(false), py::arg("max_waiting") = 256,
          "A new stream; keywords with names. max_waiting: chunks that may wait behind the one "
          "that "
          "runs.")
      .def("submit", &SubmitWholeStream, py::arg("engine"), py::arg("samples").noconvert(),
           py::kw_only(), py::arg("chunk_size"), py::arg("look_back"),
           py::arg("keywords").none(false), py::arg("is_final") = true, py::arg("terms") = Terms(),
           "Queue samples (n,), float32, that are a stream of their own: a recording.");

  PyKeywordStream::Bind(module, "KeywordStream");
}

const Registered keyword_streams_registered(&BindKeywordStreams);
const RegisterResult<asr::KeywordsHeard> keywords_heard_registered(&HeardToPython);

}  // namespace
}  // namespace safeasr
