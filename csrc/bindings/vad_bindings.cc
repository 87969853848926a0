#include "bindings/vad_bindings.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/online_frontend.h"
#include "asr/vad_model.h"
#include "asr/vad_options.h"
#include "asr/vad_runner.h"
#include "asr/vad_stream.h"
#include "bindings/gil.h"
#include "bindings/py_engine.h"
#include "core/errors.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using FloatArray = py::array_t<float, py::array::c_style>;
using Setter = std::function<void(asr::VadOptions&, const py::handle&)>;

template <typename T>
Setter To(T asr::VadOptions::*member) {
  return [member](asr::VadOptions& options, const py::handle& value) {
    options.*member = value.cast<T>();
  };
}

void SetDetectMode(asr::VadOptions& options, const py::handle& value) {
  const int mode = value.cast<int>();
  if (mode != 0 && mode != 1) {
    throw std::invalid_argument("detect_mode: expected 0 (one utterance) or 1 (several), got " +
                                std::to_string(mode));
  }
  options.single_utterance = mode == 0;
}

void SetSchedule(asr::VadOptions& options, const py::handle& value) {
  options.silence_schedule.clear();
  for (const auto& [speech_ms, silence_ms] : value.cast<std::vector<std::pair<double, double>>>()) {
    options.silence_schedule.push_back({speech_ms, silence_ms});
  }
}

// By FunASR's names.
Setter FindSetter(const std::string& name) {
  using O = asr::VadOptions;
  static const std::map<std::string, Setter> setters = {
      {"sample_rate", To(&O::sample_rate)},
      {"frame_in_ms", To(&O::frame_in_ms)},
      {"detect_mode", &SetDetectMode},
      {"speech_noise_thres", To(&O::speech_noise_thres)},
      {"speech_2_noise_ratio", To(&O::speech_2_noise_ratio)},
      {"sil_pdf_ids", To(&O::sil_pdf_ids)},
      {"decibel_thres", To(&O::decibel_thres)},
      {"snr_thres", To(&O::snr_thres)},
      {"noise_frame_num_used_for_snr", To(&O::noise_frame_num_used_for_snr)},
      {"fe_prior_thres", To(&O::fe_prior_thres)},
      {"window_size_ms", To(&O::window_size_ms)},
      {"sil_to_speech_time_thres", To(&O::sil_to_speech_time_thres)},
      {"speech_to_sil_time_thres", To(&O::speech_to_sil_time_thres)},
      {"max_end_silence_time", To(&O::max_end_silence_time)},
      {"max_start_silence_time", To(&O::max_start_silence_time)},
      {"max_single_segment_time", To(&O::max_single_segment_time)},
      {"do_extend", To(&O::do_extend)},
      {"lookback_time_start_point", To(&O::lookback_time_start_point)},
      {"lookahead_time_end_point", To(&O::lookahead_time_end_point)},
      {"dynamic_silence", To(&O::dynamic_silence)},
      {"silence_schedule", &SetSchedule},
      {"chunk_size", To(&O::chunk_size)},
      {"is_streaming_input", To(&O::is_streaming_input)},
  };
  const auto found = setters.find(name);
  if (found == setters.end()) throw py::type_error("VadOptions has no option '" + name + "'");
  return found->second;
}

asr::VadOptions MakeOptions(const py::kwargs& given) {
  asr::VadOptions options;
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    try {
      FindSetter(name)(options, value);
    } catch (const py::cast_error&) {
      throw std::invalid_argument(
          name + ": a value of this kind makes no sense: " + std::string(py::repr(value)));
    }
  }
  asr::CheckVadOptions(options);
  return options;
}

c10::ArrayRef<float> View(const FloatArray& samples) {
  if (samples.ndim() != 1) {
    throw core::Error(
        core::ErrorKind::kInvalidInput,
        "expected samples (n,), got " + std::to_string(samples.ndim()) + " dimensions");
  }
  return {samples.data(), static_cast<std::size_t>(samples.size())};
}

py::list ToList(const std::vector<asr::VadSegment>& segments) {
  py::list out;
  for (const asr::VadSegment& s : segments) {
    py::list pair;
    pair.append(s.start_ms);
    pair.append(s.end_ms);
    out.append(std::move(pair));
  }
  return out;
}

std::shared_ptr<PyTicket> SubmitRequest(std::shared_ptr<asr::VadRunner> runner, PyEngine& engine,
                                        const FloatArray& samples, const asr::VadOptions& options,
                                        bool is_final, std::optional<double> deadline_s,
                                        std::optional<double> wait_s) {
  const c10::ArrayRef<float> view = View(samples);
  std::unique_ptr<asr::VadRequest> request;
  {
    const GilRelease release;
    request = std::make_unique<asr::VadRequest>(view.vec(), options, is_final);
  }
  const std::int64_t cost = runner->Cost(samples.size());
  return Submit(engine, std::move(runner), std::move(request), cost, {deadline_s, wait_s});
}

// Lets several Python threads feed one stream: in some order, but one after the other.
class PyVadStream {
 public:
  PyVadStream(std::shared_ptr<asr::VadModel> model, asr::VadOptions options,
              const std::string& device)
      : stream_(std::move(model), std::move(options), at::Device(device)) {}

  py::list Accept(const FloatArray& samples, bool is_final) {
    const c10::ArrayRef<float> view = View(samples);
    std::vector<asr::VadSegment> segments;
    {
      const GilRelease release;
      const std::lock_guard<std::mutex> lock(mutex_);
      const c10::InferenceMode inference;
      segments = stream_.Accept(view, is_final);
    }
    return ToList(segments);
  }

 private:
  std::mutex mutex_;
  asr::VadStream stream_;
};

}  // namespace

void BindVad(py::module_& module) {
  py::class_<asr::VadOptions>(module, "VadOptions",
                              "Options of the voice activity decision, by FunASR's names.")
      .def(py::init(&MakeOptions));

  py::class_<asr::VadModel, std::shared_ptr<asr::VadModel>>(
      module, "VadModel", "Frontend and scorer of voice activity detection; immutable.")
      .def(py::init([](std::shared_ptr<asr::OnlineFrontend> frontend,
                       std::shared_ptr<runtime::Program> scorer,
                       std::vector<std::int64_t> cache_shape) {
             return std::make_shared<asr::VadModel>(std::move(frontend), std::move(scorer),
                                                    std::move(cache_shape));
           }),
           py::kw_only(), py::arg("frontend").none(false), py::arg("scorer").none(false),
           py::arg("cache_shape"));

  py::class_<asr::VadRunner, core::Runner, std::shared_ptr<asr::VadRunner>>(
      module, "VadRunner", "Voice activity detection of recordings, batched across callers.")
      .def(py::init([](std::shared_ptr<asr::VadModel> model, const core::BatchLimits& limits) {
             return std::make_shared<asr::VadRunner>(std::move(model), limits);
           }),
           py::arg("model").none(false), py::arg("limits") = core::BatchLimits())
      .def("submit", &SubmitRequest, py::arg("engine"), py::arg("samples").noconvert(),
           py::arg("options"), py::kw_only(), py::arg("is_final") = true,
           py::arg("deadline_s") = py::none(), py::arg("wait_s") = py::none(),
           "Queue samples (n,), float32. wait_s: how long to wait for room (None: as long as it "
           "takes).");

  py::class_<PyVadStream>(module, "VadStream", "One stream, on the thread of its caller.")
      .def(py::init<std::shared_ptr<asr::VadModel>, asr::VadOptions, const std::string&>(),
           py::arg("model").none(false), py::arg("options"), py::arg("device") = "cpu")
      .def("accept", &PyVadStream::Accept, py::arg("samples").noconvert(),
           py::arg("is_final") = false,
           "Segments known after these samples, in ms: [start, -1], [-1, end] or [start, end].");
}

}  // namespace safeasr
