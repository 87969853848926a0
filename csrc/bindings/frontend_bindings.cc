#include "bindings/frontend_bindings.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/features/frontend.h"
#include "asr/features/online_frontend.h"
#include "bindings/arrays.h"
#include "bindings/gil.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using asr::Features;
using asr::Frontend;
using asr::FrontendConfig;
using asr::OnlineFeatures;
using asr::OnlineFrontend;
using asr::OnlineFrontendState;

// A view of a one-dimensional float32 array, copied only when its samples are not contiguous.
// Other types are refused: integers would arrive unscaled, and nobody would notice.
FloatArray CheckWave(const py::handle& object, const std::string& name) {
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(name + ": expected a float32 array, got " +
                         std::string(py::str(py::type::handle_of(object).attr("__name__"))));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!py::isinstance<py::array_t<float>>(array)) {
    throw std::invalid_argument(name + ": expected float32 samples, got " +
                                std::string(py::str(array.dtype())));
  }
  if (array.ndim() != 1) {
    throw std::invalid_argument(name + ": expected one dimension, got " +
                                std::to_string(array.ndim()));
  }
  return FloatArray::ensure(array);
}

c10::ArrayRef<float> View(const FloatArray& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

FrontendConfig MakeConfig(int sample_rate, int n_mels, double frame_length_ms,
                          double frame_shift_ms, int lfr_m, int lfr_n, std::string window,
                          bool snip_edges, bool upscale_samples, double dither,
                          std::vector<float> cmvn_shift, std::vector<float> cmvn_scale) {
  FrontendConfig config;
  config.sample_rate = sample_rate;
  config.n_mels = n_mels;
  config.frame_length_ms = frame_length_ms;
  config.frame_shift_ms = frame_shift_ms;
  config.lfr_m = lfr_m;
  config.lfr_n = lfr_n;
  config.window = std::move(window);
  config.snip_edges = snip_edges;
  config.upscale_samples = upscale_samples;
  config.dither = dither;
  config.cmvn_shift = std::move(cmvn_shift);
  config.cmvn_scale = std::move(cmvn_scale);
  return config;
}

template <typename Class>
auto Init() {
  return py::init([](int sample_rate, int n_mels, double frame_length_ms, double frame_shift_ms,
                     int lfr_m, int lfr_n, std::string window, bool snip_edges,
                     bool upscale_samples, double dither, std::vector<float> cmvn_shift,
                     std::vector<float> cmvn_scale) {
    return std::make_shared<Class>(MakeConfig(
        sample_rate, n_mels, frame_length_ms, frame_shift_ms, lfr_m, lfr_n, std::move(window),
        snip_edges, upscale_samples, dither, std::move(cmvn_shift), std::move(cmvn_scale)));
  });
}

template <typename Class>
void DefineInit(py::class_<Class, std::shared_ptr<Class>>& cls) {
  const FrontendConfig d;
  cls.def(Init<Class>(), py::kw_only(), py::arg("sample_rate") = d.sample_rate,
          py::arg("n_mels") = d.n_mels, py::arg("frame_length_ms") = d.frame_length_ms,
          py::arg("frame_shift_ms") = d.frame_shift_ms, py::arg("lfr_m") = d.lfr_m,
          py::arg("lfr_n") = d.lfr_n, py::arg("window") = d.window,
          py::arg("snip_edges") = d.snip_edges, py::arg("upscale_samples") = d.upscale_samples,
          py::arg("dither") = d.dither, py::arg("cmvn_shift") = d.cmvn_shift,
          py::arg("cmvn_scale") = d.cmvn_scale);
}

py::tuple Compute(const Frontend& frontend, const py::list& waves, bool portable,
                  uint64_t dither_seed) {
  std::vector<FloatArray> owned;
  std::vector<c10::ArrayRef<float>> views;
  for (size_t i = 0; i < waves.size(); ++i) {
    owned.push_back(CheckWave(waves[i], "waves[" + std::to_string(i) + "]"));
    views.push_back(View(owned.back()));
  }
  Features features;
  {
    const GilRelease release;
    const c10::InferenceMode inference;
    features = portable ? frontend.ComputePortable(views, at::kCPU)
                        : frontend.Compute(views, at::kCPU, dither_seed);
  }
  return py::make_tuple(ToArray(features.values), features.lengths);
}

py::object Accept(const OnlineFrontend& frontend, OnlineFrontendState& state,
                  const py::object& samples, bool is_final, bool keep_wave) {
  const FloatArray owned = CheckWave(samples, "samples");
  const c10::ArrayRef<float> view = View(owned);
  OnlineFeatures features;
  {
    const GilRelease release;
    const c10::InferenceMode inference;
    features = frontend.Accept(state, view, is_final, keep_wave);
  }
  if (!keep_wave) return ToArray(features.values);
  return py::make_tuple(ToArray(features.values), ToArray(features.wave));
}

}  // namespace

void BindFrontend(py::module_& module) {
  py::class_<Frontend, std::shared_ptr<Frontend>> frontend(
      module, "Frontend", "Samples to model input; safe to share between threads.");
  DefineInit(frontend);
  frontend
      .def("compute", &Compute, py::arg("waves"), py::kw_only(), py::arg("portable") = false,
           py::arg("dither_seed") = 0,
           "Features of a list of 1-D float32 arrays: ((batch, rows, feature_size), rows of each).")
      .def("num_frames", &Frontend::NumFrames, py::arg("samples"),
           "Rows that an utterance of that many samples gives.")
      .def_property_readonly("feature_size", &Frontend::FeatureSize, "Values in a row.");

  py::class_<OnlineFrontendState>(module, "OnlineFrontendState",
                                  "What one stream remembers between two pieces.")
      .def(py::init<>())
      .def("copy", [](const OnlineFrontendState& state) { return OnlineFrontendState(state); });

  py::class_<OnlineFrontend, std::shared_ptr<OnlineFrontend>> online(
      module, "OnlineFrontend",
      "The frontend of streams; safe to share between threads, each stream with its own state.");
  DefineInit(online);
  online
      .def("accept", &Accept, py::arg("state"), py::arg("samples"), py::arg("is_final") = false,
           py::kw_only(), py::arg("keep_wave") = false,
           "Rows that the next samples complete, (rows, feature_size); with keep_wave also the "
           "samples that these rows cover.")
      .def_property_readonly("feature_size", &OnlineFrontend::FeatureSize, "Values in a row.");
}

}  // namespace safeasr
