#include "bindings/observing_bindings.h"

#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/py_ticket.h"
#include "core/call_counters.h"
#include "core/call_record.h"
#include "core/clock.h"
#include "core/meter.h"

namespace py = pybind11;

namespace safeasr {
namespace {

using core::CallCounters;
using core::CallRecord;

core::Duration DurationOf(double seconds) {
  return std::chrono::duration_cast<core::Duration>(std::chrono::duration<double>(seconds));
}

// What is no number of seconds counts for nothing; what is too large for the sum, too.
std::int64_t Microseconds(double seconds) {
  return seconds > 0 && seconds < 1e9 ? static_cast<std::int64_t>(seconds * 1e6) : 0;
}

// Of Python's monotonic clock, which is the same one.
double AtSecond(core::TimePoint time) { return core::Seconds(time.time_since_epoch()); }

std::vector<std::shared_ptr<core::Ticket>> CoreTickets(
    const std::vector<std::shared_ptr<PyTicket>>& tickets) {
  std::vector<std::shared_ptr<core::Ticket>> out;
  out.reserve(tickets.size());
  for (const auto& one : tickets) out.push_back(one->ticket);
  return out;
}

// Ended first, so that nobody finds more of them than have begun.
py::dict OutcomesToPython(const core::OutcomeCounts& counts) {
  py::dict out;
  out["answered"] = counts.answered.load(std::memory_order_acquire);
  out["failed"] = counts.failed.load(std::memory_order_acquire);
  out["cancelled"] = counts.cancelled.load(std::memory_order_acquire);
  out["begun"] = counts.begun.load(std::memory_order_acquire);
  return out;
}

py::dict StatsOfCalls(const CallCounters& counters) {
  py::dict out;
  out["calls"] = OutcomesToPython(counters.calls);
  out["chunks"] = OutcomesToPython(counters.chunks);
  out["call_time"] = HistogramToPython(counters.calls.time);
  out["chunk_time"] = HistogramToPython(counters.chunks.time);
  out["turn_time"] = HistogramToPython(counters.turn);
  out["decode_time"] = HistogramToPython(counters.decode);
  out["text_time"] = HistogramToPython(counters.text);
  out["audio_in_s"] = static_cast<double>(counters.audio_in_us.load()) * 1e-6;
  out["audio_out_s"] = static_cast<double>(counters.audio_out_us.load()) * 1e-6;
  out["streams_open"] = counters.streams_open.load();
  out["streams_opened"] = counters.streams_opened.load();
  if (!counters.forked()) out["errors"] = counters.errors.Read();
  return out;
}

py::object ReadingOf(const core::Meter& meter) {
  const core::Meter::Reading now = meter.Read();
  if (now.requests == 0) return py::none();
  return py::make_tuple(now.requests, core::Seconds(now.waited), core::Seconds(now.ran),
                        AtSecond(now.arrival), AtSecond(now.start),
                        AtSecond(now.end > now.start ? now.end : now.start));
}

void BindCalls(py::module_& module) {
  py::class_<core::OpenStream, std::shared_ptr<core::OpenStream>>(
      module, "OpenStream", "A stream counts as open as long as this lives.")
      .def(py::init<std::shared_ptr<CallCounters>>(), py::arg("counters").none(false));

  py::class_<CallRecord, std::shared_ptr<CallRecord>>(
      module, "CallRecord",
      "Counts once how a call ends that goes on by itself. Forgotten before, it was cancelled.")
      .def(py::init([](std::shared_ptr<CallCounters> counters, double began_s) {
             return std::make_shared<CallRecord>(std::move(counters),
                                                 core::TimePoint(DurationOf(began_s)));
           }),
           py::arg("counters").none(false), py::arg("began_s"),
           "began_s: time of the monotonic clock; it was counted as begun.")
      .def(
          "follow",
          [](CallRecord& self, const std::vector<std::shared_ptr<PyTicket>>& tickets,
             bool errors_are_results) { self.Follow(CoreTickets(tickets), errors_are_results); },
          py::arg("tickets"), py::arg("errors_are_results") = false,
          "It ends with the last of these.")
      .def(
          "settle",
          [](CallRecord& self, const std::vector<std::shared_ptr<PyTicket>>& tickets) {
            self.Settle(CoreTickets(tickets));
          },
          py::arg("tickets"), "It has ended once this returns, if all of these have.");
}

}  // namespace

py::tuple HistogramToPython(const core::DurationHistogram& histogram) {
  core::DurationHistogram::Counts counts{};
  histogram.AddTo(&counts);
  return py::make_tuple(histogram.TotalSeconds(), counts);
}

void BindObserving(py::module_& module) {
  py::class_<core::Meter, std::shared_ptr<core::Meter>>(
      module, "Meter", "When the requests of one piece of work waited and ran.")
      .def(py::init<>())
      .def("reading", &ReadingOf,
           "Requests that have begun, seconds that they waited and that their batches ran, and "
           "times of the monotonic clock: the first arrival, the first start, the last end. None "
           "before one has begun.");

  py::class_<CallCounters, std::shared_ptr<CallCounters>>(
      module, "CallCounters", "What became of the calls of a model, and how long they took.")
      .def(py::init<>())
      .def(
          "begin",
          [](CallCounters& self, bool chunk) { (chunk ? self.chunks : self.calls).Begin(); },
          py::arg("chunk"), "A call, or a chunk of a stream, has begun.")
      .def(
          "end",
          [](CallCounters& self, bool chunk, int outcome, double taken_s) {
            const auto how = outcome == 0   ? core::CallOutcome::kAnswered
                             : outcome == 1 ? core::CallOutcome::kFailed
                                            : core::CallOutcome::kCancelled;
            (chunk ? self.chunks : self.calls).End(how, DurationOf(taken_s));
          },
          py::arg("chunk"), py::arg("outcome"), py::arg("taken_s"),
          "It has ended, after so long: answered (0), failed (1) or cancelled (2).")
      .def(
          "read",
          [](CallCounters& self, double decode_s, double audio_s) {
            self.decode.Add(DurationOf(decode_s));
            self.audio_in_us.fetch_add(Microseconds(audio_s), std::memory_order_relaxed);
          },
          py::arg("decode_s"), py::arg("audio_s"), "An input was read, which took so long.")
      .def(
          "told",
          [](CallCounters& self, double text_s, double audio_s) {
            self.text.Add(DurationOf(text_s));
            self.audio_out_us.fetch_add(Microseconds(audio_s), std::memory_order_relaxed);
          },
          py::arg("text_s"), py::arg("audio_s"), "A result was made, which took so long.")
      .def(
          "turn",
          [](CallCounters& self, double seconds, double audio_s) {
            self.turn.Add(DurationOf(seconds));
            self.audio_in_us.fetch_add(Microseconds(audio_s), std::memory_order_relaxed);
          },
          py::arg("seconds"), py::arg("audio_s"), "A chunk waited so long for those before it.")
      .def(
          "answer",
          [](CallCounters& self, double audio_s) {
            self.audio_out_us.fetch_add(Microseconds(audio_s), std::memory_order_relaxed);
          },
          py::arg("audio_s"), "So much audio of a chunk was answered.")
      .def(
          "error",
          [](CallCounters& self, const std::string& name) {
            if (!self.forked()) self.errors.Add(name.c_str());
          },
          py::arg("name"), "There was an error of this class.")
      .def("stats", &StatsOfCalls);
  BindCalls(module);
}

}  // namespace safeasr
