// ContextualParaformer: its runner. Lists of hotwords are bound by themselves, transcripts are
// Paraformer's.
#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "asr/families/contextual_paraformer/runner.h"
#include "asr/features/frontend.h"
#include "asr/hotword_list.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

std::shared_ptr<PyTicket> SubmitContextual(std::shared_ptr<asr::ContextualRunner> self,
                                           PyEngine& engine, const FloatArray& data,
                                           std::shared_ptr<asr::HotwordList> hotwords,
                                           double bias_scale, const Terms& terms) {
  auto utterance = std::make_unique<asr::BiasedUtterance>();
  utterance->hotwords = std::move(hotwords);
  utterance->bias_scale = static_cast<float>(bias_scale);
  const std::int64_t length = TakeUtterance(data, self->frontend(), utterance.get());
  return Submit(engine, std::move(self), std::move(utterance), length, terms);
}

void BindContextual(py::module_& module) {
  py::class_<asr::ContextualRunner, core::Runner, std::shared_ptr<asr::ContextualRunner>>(
      module, "ContextualRunner", "ContextualParaformer: Paraformer that attends to hotwords.")
      .def(
          py::init(
              [](std::shared_ptr<asr::Frontend> frontend, std::shared_ptr<runtime::Program> encoder,
                 std::shared_ptr<runtime::Program> decoder,
                 std::shared_ptr<runtime::Program> bias_encoder, double tail_threshold,
                 std::int64_t cif_left, std::int64_t cif_right, const core::BatchLimits& limits) {
                return std::make_shared<asr::ContextualRunner>(
                    std::move(frontend), std::move(encoder), std::move(decoder),
                    std::move(bias_encoder),
                    asr::ParaformerPredictor{{tail_threshold}, {cif_left, cif_right}}, limits);
              }),
          py::kw_only(), py::arg("frontend").none(false), py::arg("encoder").none(false),
          py::arg("decoder").none(false), py::arg("bias_encoder").none(false),
          py::arg("tail_threshold"), py::arg("cif_left"), py::arg("cif_right"),
          py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitContextual, py::arg("engine"), py::arg("data").noconvert(),
           py::kw_only(), py::arg("hotwords").none(false), py::arg("bias_scale") = 1.0,
           py::arg("terms") = Terms(), "Queue samples (n,) or features (frames, size), float32.");
}

const Registered contextual_registered(&BindContextual);

}  // namespace
}  // namespace safeasr
