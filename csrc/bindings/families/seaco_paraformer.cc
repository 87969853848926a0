// SeACo-Paraformer: its runner. Transcripts are Paraformer's.
#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "asr/families/seaco_paraformer/runner.h"
#include "asr/features/frontend.h"
#include "asr/hotword_list.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

std::shared_ptr<PyTicket> SubmitBiased(std::shared_ptr<asr::SeacoRunner> self, PyEngine& engine,
                                       const FloatArray& data,
                                       std::shared_ptr<asr::HotwordList> hotwords,
                                       const Terms& terms) {
  auto utterance = std::make_unique<asr::BiasedUtterance>();
  utterance->want_alignment = true;
  utterance->hotwords = std::move(hotwords);
  const std::int64_t length = TakeUtterance(data, self->frontend(), utterance.get());
  return Submit(engine, std::move(self), std::move(utterance), length, terms);
}

void BindSeaco(py::module_& module) {
  py::class_<asr::SeacoRunner, core::Runner, std::shared_ptr<asr::SeacoRunner>>(
      module, "SeacoRunner", "SeACo-Paraformer: Paraformer, then a decoder of hotwords.")
      .def(
          py::init(
              [](std::shared_ptr<asr::Frontend> frontend, std::shared_ptr<runtime::Program> encoder,
                 std::shared_ptr<runtime::Program> decoder,
                 std::shared_ptr<runtime::Program> bias_encoder,
                 std::shared_ptr<runtime::Program> bias_decoder, double tail_threshold,
                 std::int64_t cif_left, std::int64_t cif_right, bool token_by_token,
                 std::int64_t upsampled, std::int64_t most_words, const core::BatchLimits& limits) {
                return std::make_shared<asr::SeacoRunner>(
                    std::move(frontend),
                    asr::SeacoRunner::Programs{std::move(encoder), std::move(decoder),
                                               std::move(bias_encoder), std::move(bias_decoder)},
                    asr::ParaformerPredictor{
                        {tail_threshold, token_by_token}, {cif_left, cif_right}, upsampled},
                    most_words, limits);
              }),
          py::kw_only(), py::arg("frontend").none(false), py::arg("encoder").none(false),
          py::arg("decoder").none(false), py::arg("bias_encoder").none(false),
          py::arg("bias_decoder").none(false), py::arg("tail_threshold"), py::arg("cif_left"),
          py::arg("cif_right"), py::arg("token_by_token"), py::arg("upsampled"),
          py::arg("most_words"), py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitBiased, py::arg("engine"), py::arg("data").noconvert(), py::kw_only(),
           py::arg("hotwords") = py::none(), py::arg("terms") = Terms(),
           "Queue samples (n,) or features (frames, size), float32.");
}

const Registered seaco_registered(&BindSeaco);

}  // namespace
}  // namespace safeasr
