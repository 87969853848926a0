// CTC networks, and hybrids of CTC and attention: their runners, and what their texts become.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/families/ctc/runner.h"
#include "asr/families/ctc_attention/runner.h"
#include "asr/features/frontend.h"
#include "asr/subsampled_batch.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

asr::EncoderShape MakeEncoderShape(const std::vector<std::pair<std::int64_t, std::int64_t>>& layers,
                                   const std::string& positions, std::int64_t table) {
  using Kind = asr::RelativePositions::Kind;
  asr::EncoderShape shape;
  for (const auto& [kernel, stride] : layers) {
    if (kernel < 1 || stride < 1) throw std::invalid_argument("layers: a kernel or stride below 1");
    shape.layers.push_back({kernel, stride});
  }
  if (table < 1) throw std::invalid_argument("table: expected a number of rows of at least 1");
  shape.positions.table = table;
  if (positions == "none") {
    shape.positions.kind = Kind::kNone;
  } else if (positions == "distance") {
    shape.positions.kind = Kind::kByDistance;
  } else if (positions == "shifted") {
    shape.positions.kind = Kind::kShifted;
  } else {
    throw std::invalid_argument("positions: expected none, distance or shifted, got " + positions);
  }
  return shape;
}

std::shared_ptr<PyTicket> SubmitGreedy(std::shared_ptr<asr::CtcRunner> self, PyEngine& engine,
                                       const FloatArray& data, const Terms& terms) {
  auto utterance = std::make_unique<asr::Utterance>();
  const std::int64_t length = TakeUtterance(data, self->frontend(), utterance.get());
  return Submit(engine, std::move(self), std::move(utterance), length, terms);
}

std::shared_ptr<PyTicket> SubmitBeam(std::shared_ptr<asr::CtcAttentionRunner> self,
                                     PyEngine& engine, const FloatArray& data, double ctc_weight,
                                     double token_bonus, std::size_t beam_size,
                                     double max_length_ratio, std::size_t best,
                                     const Terms& terms) {
  auto utterance = std::make_unique<asr::BeamUtterance>();
  utterance->options = {ctc_weight, token_bonus, beam_size, max_length_ratio};
  utterance->best = best;
  const std::int64_t length = TakeUtterance(data, self->frontend(), utterance.get());
  return Submit(engine, std::move(self), std::move(utterance), length, terms);
}

py::object BeamToPython(const asr::BeamTranscript& transcript) {
  py::list texts;
  for (const asr::BeamHypothesis& one : transcript.texts) {
    py::dict text;
    text["tokens"] = one.tokens;
    text["score"] = one.score;
    texts.append(std::move(text));
  }
  return std::move(texts);
}

void BindCtcAttention(py::module_& module) {
  py::class_<asr::EncoderShape>(module, "EncoderShape",
                                "What an encoder's program takes beside features.")
      .def(py::init(&MakeEncoderShape), py::kw_only(),
           py::arg("layers") = std::vector<std::pair<std::int64_t, std::int64_t>>(),
           py::arg("positions") = "none", py::arg("table") = 5000,
           "layers: kernel and stride of each convolution over time in front. positions: none, "
           "distance or shifted. table: rows up to which shifted positions are shared.")
      .def(
          "rows_after",
          [](const asr::EncoderShape& self, std::int64_t rows) {
            return asr::RowsAfter(self.layers, rows);
          },
          py::arg("rows"), "Rows that the encoder makes of so many rows of features.");

  py::class_<asr::CtcRunner, core::Runner, std::shared_ptr<asr::CtcRunner>>(
      module, "CtcRunner", "CTC networks: frontend, encoder, greedy CTC.")
      .def(py::init([](std::shared_ptr<asr::Frontend> frontend,
                       std::shared_ptr<runtime::Program> program, const asr::EncoderShape& shape,
                       std::int64_t blank, const core::BatchLimits& limits) {
             return std::make_shared<asr::CtcRunner>(std::move(frontend), std::move(program), shape,
                                                     blank, limits);
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("program").none(false),
           py::arg("shape"), py::arg("blank"), py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitGreedy, py::arg("engine"), py::arg("data").noconvert(), py::kw_only(),
           py::arg("terms") = Terms(), "Queue samples (n,) or features (frames, size), float32.");

  py::class_<asr::CtcAttentionRunner, core::Runner, std::shared_ptr<asr::CtcAttentionRunner>>(
      module, "CtcAttentionRunner",
      "Hybrids of CTC and attention: frontend, encoder, beam search over the decoder's steps.")
      .def(
          py::init(
              [](std::shared_ptr<asr::Frontend> frontend, std::shared_ptr<runtime::Program> encoder,
                 std::shared_ptr<runtime::Program> decoder, const asr::EncoderShape& shape,
                 std::int64_t sos, std::int64_t eos, std::int64_t vocab_size, bool choose_first,
                 const std::array<std::int64_t, 3>& filters, const core::BatchLimits& limits) {
                if (vocab_size < 1 || std::min(sos, eos) < 0 || std::max(sos, eos) >= vocab_size) {
                  throw std::invalid_argument("sos and eos must be among the tokens");
                }
                for (const std::int64_t one : filters) {
                  if (one < 0 || one > 1 << 20)
                    throw std::invalid_argument("filters: out of range");
                }
                const asr::BeamTokens tokens{sos, eos, static_cast<std::size_t>(vocab_size),
                                             decoder != nullptr, choose_first};
                return std::make_shared<asr::CtcAttentionRunner>(
                    asr::CtcAttentionModel{std::move(frontend),
                                           std::move(encoder),
                                           std::move(decoder),
                                           shape,
                                           tokens,
                                           {filters[0], filters[1], filters[2]}},
                    limits);
              }),
          py::kw_only(), py::arg("frontend").none(false), py::arg("encoder").none(false),
          py::arg("decoder"), py::arg("shape"), py::arg("sos"), py::arg("eos"),
          py::arg("vocab_size"), py::arg("choose_first"),
          py::arg("filters") = std::array<std::int64_t, 3>{0, 0, 0},
          py::arg("limits") = core::BatchLimits(),
          "filters: layers, rows and size of what a decoder's filters remember; zeros for one that "
          "remembers by attention.")
      .def("submit", &SubmitBeam, py::arg("engine"), py::arg("data").noconvert(), py::kw_only(),
           py::arg("ctc_weight"), py::arg("token_bonus"), py::arg("beam_size"),
           py::arg("max_length_ratio"), py::arg("best"), py::arg("terms") = Terms(),
           "Queue samples (n,) or features (frames, size), float32.");
}

const Registered ctc_attention_registered(&BindCtcAttention);
const RegisterResult<asr::BeamTranscript> beam_transcript_registered(&BeamToPython);

}  // namespace
}  // namespace safeasr
