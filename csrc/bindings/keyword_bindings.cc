// Lists of keywords, for every family that spots them.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/decode/ctc_keywords.h"
#include "bindings/gil.h"
#include "bindings/registry.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using Probabilities = py::array_t<float, py::array::c_style>;
using Ids = py::array_t<std::int64_t, py::array::c_style>;

std::optional<std::pair<std::size_t, double>> Find(const asr::KeywordSearch& self,
                                                   const Probabilities& probabilities,
                                                   const Ids& ids) {
  if (probabilities.ndim() != 2 || ids.ndim() != 2 || probabilities.shape(0) != ids.shape(0) ||
      probabilities.shape(1) != ids.shape(1)) {
    throw std::invalid_argument("expected probabilities and ids (frames, tokens), alike");
  }
  const asr::CtcCandidates candidates{probabilities.data(), ids.data(),
                                      static_cast<std::size_t>(ids.shape(0)),
                                      static_cast<std::size_t>(ids.shape(1))};
  const GilRelease release;
  const std::optional<asr::KeywordHit> hit = self.Find(candidates);
  if (!hit) return std::nullopt;
  return std::pair{hit->keyword, hit->score};
}

void BindKeywords(py::module_& module) {
  py::class_<asr::KeywordSearch, std::shared_ptr<asr::KeywordSearch>>(
      module, "KeywordSearch", "Keywords as ids of their tokens; immutable, for any thread.")
      .def(py::init<std::vector<std::vector<std::int64_t>>, std::vector<std::string>>(),
           py::arg("keywords"), py::arg("names") = std::vector<std::string>(),
           "names: what live streams call them.")
      .def("__len__", &asr::KeywordSearch::size)
      .def("find", &Find, py::arg("probabilities").noconvert(), py::arg("ids").noconvert(),
           "The keyword that is in the best tokens of each frame, (frames, tokens) float32 and "
           "int64, best first: its number and score; None if there is none.");
}

const Registered keywords_registered(&BindKeywords);

}  // namespace
}  // namespace safeasr
