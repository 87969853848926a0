// SenseVoice: its runner, and the scores that its timestamps are made from.
#include <ATen/ATen.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "asr/families/sense_voice/runner.h"
#include "asr/features/frontend.h"
#include "bindings/gil.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using Queries = std::array<std::int64_t, asr::kSenseVoiceQueries>;

std::shared_ptr<PyTicket> SubmitWithPrompt(std::shared_ptr<asr::SenseVoiceRunner> self,
                                           PyEngine& engine, const FloatArray& data,
                                           const Queries& queries, bool ban_unknown_emotion,
                                           bool want_alignment, const Terms& terms) {
  auto utterance = std::make_unique<asr::SenseVoiceUtterance>();
  utterance->queries = queries;
  utterance->ban_unknown_emotion = ban_unknown_emotion;
  utterance->want_alignment = want_alignment;
  const std::int64_t rows =
      TakeUtterance(data, self->frontend(), utterance.get()) + asr::kSenseVoiceQueries;
  return Submit(engine, std::move(self), std::move(utterance), rows, terms);
}

std::shared_ptr<asr::CtcEmission> MakeEmission(const FloatArray& log_probs, std::int64_t blank) {
  if (log_probs.ndim() != 2) throw std::invalid_argument("expected scores (frames, classes)");
  at::Tensor values = at::empty({log_probs.shape(0), log_probs.shape(1)}, at::kFloat);
  std::copy_n(log_probs.data(), log_probs.size(), values.data_ptr<float>());
  return std::make_shared<asr::CtcEmission>(std::move(values), blank);
}

std::vector<std::pair<std::int64_t, std::int64_t>> Align(const asr::CtcEmission& self,
                                                         const std::vector<std::int64_t>& targets) {
  const GilRelease release;
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;
  for (const asr::CtcSpan& span : self.Align(targets)) spans.emplace_back(span.begin, span.end);
  return spans;
}

py::object TranscriptToPython(const asr::CtcTranscript& transcript) {
  py::dict out;
  out["tokens"] = transcript.tokens;
  if (transcript.emission) {
    // Without const for pybind11's holder; nothing in Python writes.
    out["emission"] = std::const_pointer_cast<asr::CtcEmission>(transcript.emission);
  }
  return std::move(out);
}

void BindSenseVoice(py::module_& module) {
  py::class_<asr::CtcEmission, std::shared_ptr<asr::CtcEmission>>(
      module, "CtcEmission", "Log probabilities of an utterance's frames; immutable.")
      .def(py::init(&MakeEmission), py::arg("log_probs").noconvert(), py::kw_only(),
           py::arg("blank") = 0, "From scores (frames, classes), float32; copied.")
      .def("align", &Align, py::arg("targets"),
           "Frames [begin, end) of each target on the best path, (0, 0) for none; an empty list "
           "when the frames are too few.")
      .def_property_readonly("frames", &asr::CtcEmission::frames);

  py::class_<asr::SenseVoiceRunner, core::Runner, std::shared_ptr<asr::SenseVoiceRunner>>(
      module, "SenseVoiceRunner", "SenseVoice: frontend, encoder, greedy CTC.")
      .def(py::init([](std::shared_ptr<asr::Frontend> frontend,
                       std::shared_ptr<runtime::Program> program, std::int64_t blank,
                       const core::BatchLimits& limits) {
             return std::make_shared<asr::SenseVoiceRunner>(std::move(frontend), std::move(program),
                                                            blank, limits);
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("program").none(false),
           py::arg("blank"), py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitWithPrompt, py::arg("engine"), py::arg("data").noconvert(),
           py::kw_only(), py::arg("queries"), py::arg("ban_unknown_emotion") = false,
           py::arg("want_alignment") = false, py::arg("terms") = Terms(),
           "Queue samples (n,) or features (frames, size), float32. queries: four rows of the "
           "embedding.");
}

const Registered sense_voice_registered(&BindSenseVoice);
const RegisterResult<asr::CtcTranscript> ctc_transcript_registered(&TranscriptToPython);

}  // namespace
}  // namespace safeasr
