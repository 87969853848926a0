// Offline Paraformer: its runner, and what its transcripts become.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "asr/features/frontend.h"
#include "asr/paraformer_runner.h"
#include "asr/utterance.h"
#include "bindings/arrays.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

std::shared_ptr<PyTicket> SubmitUtterance(std::shared_ptr<asr::ParaformerRunner> self,
                                          PyEngine& engine, const FloatArray& data,
                                          bool want_alignment, const Terms& terms) {
  auto utterance = std::make_unique<asr::Utterance>();
  utterance->want_alignment = want_alignment;
  const std::int64_t length = TakeUtterance(data, self->frontend(), utterance.get());
  return Submit(engine, std::move(self), std::move(utterance), length, terms);
}

py::object TranscriptToPython(const asr::Transcript& transcript) {
  py::dict out;
  out["tokens"] = transcript.tokens;
  out["frames"] = transcript.frames;
  if (!transcript.alphas.empty()) {
    out["alphas"] = ToArray(transcript.alphas);
    out["peaks"] = ToArray(transcript.peaks);
  }
  return std::move(out);
}

void BindParaformer(py::module_& module) {
  py::class_<asr::ParaformerRunner, core::Runner, std::shared_ptr<asr::ParaformerRunner>>(
      module, "ParaformerRunner", "Offline Paraformer: frontend, encoder, CIF, decoder.")
      .def(py::init([](std::shared_ptr<asr::Frontend> frontend,
                       std::shared_ptr<runtime::Program> encoder,
                       std::shared_ptr<runtime::Program> decoder, double tail_threshold,
                       std::int64_t cif_left, std::int64_t cif_right, bool token_by_token,
                       std::int64_t upsampled, const core::BatchLimits& limits) {
             return std::make_shared<asr::ParaformerRunner>(
                 std::move(frontend), std::move(encoder), std::move(decoder),
                 asr::ParaformerPredictor{
                     {tail_threshold, token_by_token}, {cif_left, cif_right}, upsampled},
                 limits);
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("encoder").none(false),
           py::arg("decoder").none(false), py::arg("tail_threshold"), py::arg("cif_left"),
           py::arg("cif_right"), py::arg("token_by_token") = false, py::arg("upsampled") = 0,
           py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitUtterance, py::arg("engine"), py::arg("data").noconvert(),
           py::kw_only(), py::arg("want_alignment") = false, py::arg("terms") = Terms(),
           "Queue samples (n,) or features (frames, size), float32.");
}

const Registered paraformer_registered(&BindParaformer);
const RegisterResult<asr::Transcript> transcript_registered(&TranscriptToPython);

}  // namespace
}  // namespace safeasr
