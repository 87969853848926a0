// RaggedRunner: programs of rows, for families that need no C++ of their own.
#include <ATen/ATen.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/ragged_runner.h"
#include "bindings/arrays.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "bindings/utterance_input.h"
#include "core/errors.h"

namespace py = pybind11;

namespace safeasr {
namespace {

[[noreturn]] void Refuse(const std::string& reason) {
  throw core::Error(core::ErrorKind::kInvalidInput, reason);
}

asr::RaggedOutput OutputByName(const std::string& name) {
  if (name == "rows") return asr::RaggedOutput::kRows;
  if (name == "utterances") return asr::RaggedOutput::kUtterances;
  throw std::invalid_argument("outputs: expected 'rows' or 'utterances', got '" + name + "'");
}

std::shared_ptr<asr::RaggedRunner> Make(std::shared_ptr<runtime::Program> program,
                                        const std::vector<std::string>& outputs,
                                        std::shared_ptr<asr::Frontend> frontend,
                                        std::optional<std::int64_t> feature_size,
                                        std::optional<std::pair<std::int64_t, std::int64_t>> span,
                                        const core::BatchLimits& limits) {
  std::vector<asr::RaggedOutput> declared;
  for (const std::string& name : outputs) declared.push_back(OutputByName(name));
  std::optional<asr::RaggedSpan> neighbours;
  if (span) neighbours = asr::RaggedSpan{span->first, span->second};
  return std::make_shared<asr::RaggedRunner>(std::move(program),
                                             asr::RaggedInput{std::move(frontend), feature_size},
                                             neighbours, std::move(declared), limits);
}

// Returns the number of rows.
std::int64_t TakeFloats(const py::array& data, const asr::RaggedInput& input,
                        asr::RaggedRequest* request) {
  if (!py::isinstance<py::array_t<float>>(data)) {
    throw py::type_error("expected float32, got " + std::string(py::str(data.dtype())));
  }
  const FloatArray values = FloatArray::ensure(data);
  if (!asr::AllFinite({values.data(), static_cast<std::size_t>(values.size())})) {
    Refuse("the input has a value that is NaN or infinite");
  }
  if (input.frontend) return TakeUtterance(values, *input.frontend, request);
  if (values.ndim() != 2 || values.shape(1) != *input.feature_size) {
    Refuse("expected features (frames, " + std::to_string(*input.feature_size) + "), got " +
           std::string(py::str(py::tuple(data.attr("shape")))));
  }
  request->features = ToTensor(values);
  return values.shape(0);
}

std::int64_t TakeIds(const py::array& data, asr::RaggedRequest* request) {
  if (!py::isinstance<py::array_t<std::int64_t>>(data)) {
    throw py::type_error("expected ids, int64, got " + std::string(py::str(data.dtype())));
  }
  if (data.ndim() != 1)
    Refuse("expected ids (n,), got " + std::to_string(data.ndim()) + " dimensions");
  request->ids = ToTensor(data);
  return data.shape(0);
}

std::shared_ptr<PyTicket> SubmitRows(std::shared_ptr<asr::RaggedRunner> self, PyEngine& engine,
                                     const py::array& data, const Terms& terms) {
  auto request = std::make_unique<asr::RaggedRequest>();
  const asr::RaggedInput& input = self->input();
  const std::int64_t rows = input.frontend || input.feature_size
                                ? TakeFloats(data, input, request.get())
                                : TakeIds(data, request.get());
  if (rows < 1) Refuse("the input is empty");
  return Submit(engine, std::move(self), std::move(request), rows, terms);
}

py::object OutputsToPython(const asr::RaggedResult& result) {
  py::list out;
  for (const at::Tensor& tensor : result.outputs) out.append(ToArray(tensor));
  return std::move(out);
}

void BindRagged(py::module_& module) {
  py::class_<asr::RaggedRunner, core::Runner, std::shared_ptr<asr::RaggedRunner>>(
      module, "RaggedRunner",
      "Serves any program that maps the rows of many requests, one below the other, to rows or to "
      "one row of each request.")
      .def(py::init(&Make), py::kw_only(), py::arg("program").none(false), py::arg("outputs"),
           py::arg("frontend") = py::none(), py::arg("feature_size") = py::none(),
           py::arg("neighbours") = py::none(), py::arg("limits") = core::BatchLimits(),
           "outputs: 'rows' or 'utterances' for each. Requests are samples or features with a "
           "frontend, features with feature_size, else ids. neighbours: (left, right) rows whose "
           "numbers the program is given.")
      .def("submit", &SubmitRows, py::arg("engine"), py::arg("data"), py::kw_only(),
           py::arg("terms") = Terms(),
           "Queue samples (n,) or features (frames, size), float32, or ids (n,), int64.");
}

const Registered ragged_registered(&BindRagged);
const RegisterResult<asr::RaggedResult> ragged_result_registered(&OutputsToPython);

}  // namespace
}  // namespace safeasr
