// Lists of hotwords, for every family that takes them.
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/hotword_list.h"
#include "bindings/registry.h"

namespace py = pybind11;

namespace safeasr {
namespace {

void BindHotwords(py::module_& module) {
  py::class_<asr::HotwordList, std::shared_ptr<asr::HotwordList>>(
      module, "HotwordList", "Hotwords as ids of their pieces; encoded when first needed.")
      .def(py::init<std::vector<std::vector<std::int64_t>>>(), py::arg("words"))
      .def("__len__", &asr::HotwordList::size)
      .def_property_readonly("encoded", &asr::HotwordList::encoded, "Whether somebody needed it.");
}

const Registered hotwords_registered(&BindHotwords);

}  // namespace
}  // namespace safeasr
