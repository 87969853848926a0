// Voice activity detection: its options, its runner, and a stream of its own.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "asr/decode/vad_options.h"
#include "asr/families/fsmn_vad/model.h"
#include "asr/families/fsmn_vad/runner.h"
#include "asr/families/fsmn_vad/stream.h"
#include "asr/features/online_frontend.h"
#include "asr/ops/fsmn_vad_op.h"
#include "bindings/py_engine.h"
#include "bindings/registry.h"
#include "core/lane.h"
#include "runtime/program.h"

namespace py = pybind11;

namespace safeasr {
namespace {

// How an option is taken from Python, and what to expect in its place.
struct Setter {
  std::function<void(asr::VadOptions&, const py::handle&)> set;
  const char* expected;
};

const char* Expected(double) { return "a number"; }
const char* Expected(std::int64_t) { return "a whole number"; }
const char* Expected(int) { return "a whole number"; }
const char* Expected(bool) { return "true or false"; }
const char* Expected(const std::vector<std::int64_t>&) { return "a list of whole numbers"; }

template <typename T>
Setter To(T asr::VadOptions::* member) {
  return {[member](asr::VadOptions& options, const py::handle& value) {
            // pybind11 makes numbers of some objects that are none.
            if (std::is_same_v<T, double> && !PyNumber_Check(value.ptr())) throw py::cast_error();
            options.*member = value.cast<T>();
          },
          Expected(T())};
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
const Setter& FindSetter(const std::string& name) {
  using O = asr::VadOptions;
  static const std::map<std::string, Setter> setters = {
      {"sample_rate", To(&O::sample_rate)},
      {"frame_in_ms", To(&O::frame_in_ms)},
      {"detect_mode", {&SetDetectMode, Expected(int())}},
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
      {"silence_schedule", {&SetSchedule, "pairs of ms of speech and ms of silence"}},
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
    const Setter& setter = FindSetter(name);
    try {
      setter.set(options, value);
    } catch (const py::cast_error&) {
      throw std::invalid_argument(name + ": expected " + setter.expected + ", got " +
                                  std::string(py::repr(value)));
    }
  }
  asr::CheckVadOptions(options);
  return options;
}

// A stream as Python holds it. Any number of threads may submit: the lane keeps the order.
class PyVadStream {
 public:
  PyVadStream(std::shared_ptr<const asr::VadRunner> runner, PyEngine& engine,
              asr::VadOptions options, std::size_t max_waiting)
      : runner_(std::move(runner)),
        stream_(std::make_shared<asr::VadStream>(std::move(options))),
        lane_(engine.engine().MakeLane(max_waiting)) {}

  std::shared_ptr<PyTicket> Submit(const FloatArray& samples, bool is_final, const Terms& terms) {
    std::unique_ptr<asr::VadRequest> request =
        std::make_unique<asr::VadRequest>(stream_, CopySamples(samples), is_final);
    return SubmitWith(runner_->Cost(samples.size()), terms,
                      [&](const core::SubmitOptions& options) {
                        return lane_->Submit(runner_, std::move(request), options);
                      });
  }

  std::size_t Waiting() const { return lane_->Waiting(); }

 private:
  const std::shared_ptr<const asr::VadRunner> runner_;
  const std::shared_ptr<asr::VadStream> stream_;
  const std::shared_ptr<core::Lane> lane_;
};

// Like other recordings it goes through the queue, with their priority.
std::shared_ptr<PyTicket> SubmitRecording(std::shared_ptr<const asr::VadRunner> runner,
                                          PyEngine& engine,
                                          const std::shared_ptr<asr::VadStream>& stream,
                                          const FloatArray& samples, bool is_final,
                                          const Terms& terms) {
  auto request = std::make_unique<asr::VadRequest>(stream, CopySamples(samples), is_final);
  const std::int64_t cost = runner->Cost(samples.size());
  return Submit(engine, std::move(runner), std::move(request), cost, terms);
}

// A recording that comes in blocks, one after the other.
class PyVadRecording {
 public:
  PyVadRecording(std::shared_ptr<const asr::VadRunner> runner, asr::VadOptions options)
      : runner_(std::move(runner)), stream_(std::make_shared<asr::VadStream>(std::move(options))) {}

  std::shared_ptr<PyTicket> Submit(PyEngine& engine, const FloatArray& samples, bool is_final,
                                   const Terms& terms) {
    RequireIdle();
    ticket_ = SubmitRecording(runner_, engine, stream_, samples, is_final, terms);
    return ticket_;
  }

  std::int64_t NeededFrom() const {
    RequireIdle();
    return stream_->detector.NeededFrom(stream_->state.decision);
  }

 private:
  // What a request changes is not looked at before it has finished.
  void RequireIdle() const {
    if (ticket_ && !ticket_->ticket->finished()) {
      throw std::logic_error("the block before has not finished");
    }
  }

  const std::shared_ptr<const asr::VadRunner> runner_;
  const std::shared_ptr<asr::VadStream> stream_;
  std::shared_ptr<PyTicket> ticket_;
};

py::object SegmentsToPython(const asr::VadResult& result) {
  py::list segments;
  for (const asr::VadSegment& segment : result.segments) {
    segments.append(std::vector<std::int64_t>{segment.start_ms, segment.end_ms});
  }
  py::dict out;
  out["segments"] = std::move(segments);
  return std::move(out);
}

void BindVad(py::module_& module) {
  asr::RegisterFsmnVad();  // programs name it
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
      .def(
          "open",
          [](std::shared_ptr<asr::VadRunner> self, PyEngine& engine, const asr::VadOptions& options,
             std::size_t max_waiting) {
            return std::make_shared<PyVadStream>(std::move(self), engine, options, max_waiting);
          },
          py::arg("engine"), py::arg("options"), py::kw_only(), py::arg("max_waiting") = 256,
          "A new stream. max_waiting: chunks that may wait behind the one that runs.")
      .def(
          "submit",
          [](std::shared_ptr<asr::VadRunner> self, PyEngine& engine, const FloatArray& samples,
             const asr::VadOptions& options, bool is_final, const Terms& terms) {
            return SubmitRecording(std::move(self), engine,
                                   std::make_shared<asr::VadStream>(options), samples, is_final,
                                   terms);
          },
          py::arg("engine"), py::arg("samples").noconvert(), py::arg("options"), py::kw_only(),
          py::arg("is_final") = true, py::arg("terms") = Terms(),
          "Queue samples (n,), float32, that are a stream of their own: a recording.")
      .def(
          "recording",
          [](std::shared_ptr<asr::VadRunner> self, const asr::VadOptions& options) {
            return std::make_shared<PyVadRecording>(std::move(self), options);
          },
          py::arg("options"), "A recording that will come in blocks; as urgent as any recording.");

  py::class_<PyVadStream, std::shared_ptr<PyVadStream>>(module, "VadStream", "A live stream.")
      .def("submit", &PyVadStream::Submit, py::arg("samples").noconvert(), py::kw_only(),
           py::arg("is_final") = false, py::arg("terms") = Terms(),
           "Queue the next samples (n,), float32, behind those submitted before.")
      .def_property_readonly("waiting", &PyVadStream::Waiting);

  py::class_<PyVadRecording, std::shared_ptr<PyVadRecording>>(
      module, "VadRecording", "A recording in blocks, for one thread at a time.")
      .def("submit", &PyVadRecording::Submit, py::arg("engine"), py::arg("samples").noconvert(),
           py::kw_only(), py::arg("is_final") = false, py::arg("terms") = Terms(),
           "Queue the next samples (n,), float32, once the block before has finished.")
      .def_property_readonly("needed_from", &PyVadRecording::NeededFrom,
                             "No segment that is to come begins before this, in ms.");
}

const Registered vad_registered(&BindVad);
const RegisterResult<asr::VadResult> vad_result_registered(&SegmentsToPython);

}  // namespace
}  // namespace safeasr
