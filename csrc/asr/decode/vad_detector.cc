#include "asr/decode/vad_detector.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace safeasr::asr {
namespace {

// What FunASR takes for speech_noise_thres while it follows the schedule.
constexpr double kDynamicSpeechNoise = 0.5;

VadOptions Checked(VadOptions options) {
  CheckVadOptions(options);
  return options;
}

}  // namespace

VadDetector::VadDetector(VadOptions options)
    : options_(Checked(std::move(options))),
      window_frames_(Frames(options_.window_size_ms)),
      to_speech_(Frames(options_.sil_to_speech_time_thres)),
      to_silence_(Frames(options_.speech_to_sil_time_thres)),
      lookahead_(Frames(options_.lookahead_time_end_point)),
      latency_(window_frames_ +
               (options_.do_extend ? Frames(options_.lookback_time_start_point) : 0)) {}

std::int64_t VadDetector::Frames(double ms) const {
  return static_cast<std::int64_t>(ms / static_cast<double>(options_.frame_in_ms));
}

VadState VadDetector::Start() const {
  VadState state;
  state.window.assign(static_cast<std::size_t>(window_frames_), 0);
  state.end_silence_ms = options_.max_end_silence_time - options_.speech_to_sil_time_thres;
  state.speech_noise_thres = options_.speech_noise_thres;
  return state;
}

std::vector<VadSegment> VadDetector::Accept(VadState& state, const VadFrames& frames,
                                            bool is_final) const {
  for (const std::int64_t id : options_.sil_pdf_ids) {
    if (frames.count > 0 && id >= frames.pdfs) {
      throw std::invalid_argument("sil_pdf_ids: the model has " + std::to_string(frames.pdfs) +
                                  " scores, got " + std::to_string(id));
    }
  }
  if (options_.dynamic_silence) ApplySchedule(state);
  if (frames.count == 0 && !is_final) return {};
  if (frames.count == 0 && state.phase == VadState::Phase::kInSpeech) {
    End(state, state.frames - 1);  // nobody knew that it was the last frame
  }

  // A single utterance that is over stays over; the rest of the chunk in which it ended is gone
  // through, which changes nothing.
  if (state.phase != VadState::Phase::kEnded) {
    for (std::int64_t i = 0; i < frames.count; ++i) {
      const double silence = SilenceProbability(frames.scores + i * frames.pdfs);
      const bool speech = IsSpeech(state, silence, frames.decibels[i]);
      Step(state, speech, state.frames + i, is_final && i == frames.count - 1);
    }
  }
  state.frames += frames.count;
  std::vector<VadSegment> segments = Report(state, is_final);
  if (!segments.empty()) {
    state.speech_ms = 0;
    state.counting_speech = false;
  }
  return segments;
}

std::int64_t VadDetector::NeededFrom(const VadState& state) const {
  if (!state.found.empty()) return state.found.front().segment.start_ms;
  const std::int64_t earliest =
      state.phase == VadState::Phase::kEnded
          ? state.frames
          : std::max({std::int64_t{0}, state.first_free, state.frames - latency_});
  return earliest * options_.frame_in_ms;
}

void VadDetector::ApplySchedule(VadState& state) const {
  if (state.phase == VadState::Phase::kInSpeech || state.counting_speech) {
    state.speech_ms += options_.chunk_size;
    state.counting_speech = true;
  }
  for (const SilenceStep& step : options_.silence_schedule) {
    if (state.speech_ms > step.speech_ms) continue;
    state.end_silence_ms = std::max(step.silence_ms - options_.speech_to_sil_time_thres, 0.0);
    state.speech_noise_thres = kDynamicSpeechNoise;
    return;
  }
}

double VadDetector::SilenceProbability(const float* scores) const {
  double sum = 0;
  for (const std::int64_t id : options_.sil_pdf_ids) sum += static_cast<double>(scores[id]);
  return sum;
}

bool VadDetector::IsSpeech(VadState& state, double silence, double decibel) const {
  if (decibel < options_.decibel_thres) return false;
  const double snr = decibel - state.noise_decibel;
  // To the logarithm and back, as FunASR does: the comparison then rounds as there. Certainty,
  // where FunASR raises, needs no care: the logarithm of 0 comes back as 0.
  const double noise = std::exp(std::log(silence) * options_.speech_2_noise_ratio);
  const double speech = std::exp(std::log(1.0 - silence));
  if (speech >= noise + state.speech_noise_thres) return snr >= options_.snr_thres;
  if (state.noise_decibel < -99.9) {
    state.noise_decibel = decibel;  // the first
  } else {
    const auto n = static_cast<double>(options_.noise_frame_num_used_for_snr);
    state.noise_decibel = (decibel + state.noise_decibel * (n - 1)) / n;
  }
  return false;
}

VadDetector::Change VadDetector::Slide(VadState& state, bool speech) const {
  std::uint8_t& oldest = state.window[state.window_next];
  state.voiced += (speech ? 1 : 0) - oldest;
  oldest = speech ? 1 : 0;
  state.window_next = (state.window_next + 1) % state.window.size();

  if (!state.in_voice && state.voiced >= to_speech_) {
    state.in_voice = true;
    return Change::kToSpeech;
  }
  if (state.in_voice && state.voiced <= to_silence_) {
    state.in_voice = false;
    return Change::kToSilence;
  }
  return state.in_voice ? Change::kSpeech : Change::kSilence;
}

void VadDetector::Step(VadState& state, bool speech, std::int64_t frame, bool last) const {
  if (!(1.0 > options_.fe_prior_thres)) speech = false;
  const Change change = Slide(state, speech);
  state.silent_run = change == Change::kSilence ? state.silent_run + 1 : 0;

  if (state.phase == VadState::Phase::kInSpeech) {
    StepInSpeech(state, change, frame, last);
  } else if (state.phase == VadState::Phase::kWaiting && change == Change::kToSpeech) {
    Begin(state, frame);
  } else if (state.phase == VadState::Phase::kWaiting && change == Change::kSilence) {
    const double silent_ms = static_cast<double>(state.silent_run * options_.frame_in_ms);
    const bool gives_up = options_.single_utterance && silent_ms > options_.max_start_silence_time;
    if (gives_up || (last && state.decisions == 0)) {
      ++state.decisions;  // that there is no speech
      state.phase = VadState::Phase::kEnded;
    } else if (frame >= latency_) {
      state.first_free = std::max(state.first_free, frame - latency_);
    }
  }
  if (state.phase == VadState::Phase::kEnded && !options_.single_utterance) Rearm(state);
}

void VadDetector::StepInSpeech(VadState& state, Change change, std::int64_t frame,
                               bool last) const {
  if (change != Change::kSilence) {
    if (TooLong(state, frame) || last) {
      End(state, frame);
    } else {
      Extend(state, frame);
    }
    return;
  }
  if (static_cast<double>(state.silent_run * options_.frame_in_ms) >= state.end_silence_ms) {
    // Back to where the silence began, but for the part that belongs to the segment. FunASR lets
    // this become negative and then reads frames that have not come; the present is the limit.
    std::int64_t back = Frames(state.end_silence_ms);
    if (options_.do_extend) back -= lookahead_ + 1;
    End(state, frame - std::max<std::int64_t>(back, 0));
  } else if (last || TooLong(state, frame)) {
    End(state, frame);
  } else if (options_.do_extend && state.silent_run <= lookahead_) {
    Extend(state, frame);
  }
}

void VadDetector::Begin(VadState& state, std::int64_t frame) const {
  state.phase = VadState::Phase::kInSpeech;
  state.begin = std::max(state.first_free, frame - latency_);
  state.found.push_back({{state.begin * options_.frame_in_ms, 0}, false});
  Extend(state, frame);
}

void VadDetector::Extend(VadState& state, std::int64_t frame) const {
  state.latest = frame;
  state.first_free = frame + 1;
  state.found.back().segment.end_ms = (frame + 1) * options_.frame_in_ms;
}

void VadDetector::End(VadState& state, std::int64_t frame) const {
  // A segment that ends before its latest frame costs one frame that no other may begin with:
  // FunASR counts its end twice, and later segments must begin where they begin there.
  state.first_free = std::max(frame, state.latest + 1) + 1;
  state.found.back().segment.end_ms = (frame + 1) * options_.frame_in_ms;
  state.found.back().closed = true;
  state.phase = VadState::Phase::kEnded;
  ++state.decisions;
}

bool VadDetector::TooLong(const VadState& state, std::int64_t frame) const {
  return static_cast<double>(frame - state.begin + 1) >
         options_.max_single_segment_time / static_cast<double>(options_.frame_in_ms);
}

void VadDetector::Rearm(VadState& state) {
  state.phase = VadState::Phase::kWaiting;
  state.silent_run = 0;
  state.begin = -1;
  state.latest = 0;
  state.window.assign(state.window.size(), 0);
  state.window_next = 0;
  state.voiced = 0;
  state.in_voice = false;
}

std::vector<VadSegment> VadDetector::Report(VadState& state, bool is_final) const {
  std::vector<VadSegment> segments;
  std::vector<VadState::Found> open;
  for (const VadState::Found& found : state.found) {
    VadSegment segment = found.segment;
    if (options_.is_streaming_input) {
      if (state.start_reported) segment.start_ms = -1;
      if (!found.closed) segment.end_ms = -1;
      if (found.closed || !state.start_reported) segments.push_back(segment);
      state.start_reported = !found.closed;
    } else if (found.closed || is_final) {
      segments.push_back(segment);
    }
    if (!found.closed) open.push_back(found);
  }
  state.found = std::move(open);
  return segments;
}

}  // namespace safeasr::asr
