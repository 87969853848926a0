// From scores to segments: the state machine of voice activity detection.
//
// Source: FunASR's FsmnVADStreaming (funasr/models/fsmn_vad_streaming/model.py). It keeps the
// scores and samples of a stream; none of them is looked at twice, so here only counters remain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "asr/decode/vad_options.h"

namespace safeasr::asr {

// In ms from the start of the stream. Of a stream, -1 stands for what was reported before (start)
// or is not known yet (end).
struct VadSegment {
  std::int64_t start_ms = -1;
  std::int64_t end_ms = -1;
};

// All that the decision remembers. A plain value: copying it forks the stream.
struct VadState {
  enum class Phase {
    kWaiting,   // for speech
    kInSpeech,  // in a segment
    kEnded,     // after the only segment of a single utterance
  };
  struct Found {
    VadSegment segment;
    bool closed = false;
  };

  Phase phase = Phase::kWaiting;
  std::int64_t frames = 0;  // decided so far

  // The last frames, a ring of 0 and 1, and what they are taken for.
  std::vector<std::uint8_t> window;
  std::size_t window_next = 0;
  std::int64_t voiced = 0;  // sum of the ring
  bool in_voice = false;

  std::int64_t silent_run = 0;    // frames since voice ended, or since the window changed its mind
  std::int64_t first_free = 0;    // first frame that may belong to a new segment
  std::int64_t begin = -1;        // first frame of the segment
  std::int64_t latest = 0;        // last frame that is known to belong to it
  std::int64_t decisions = 0;     // segments ended, and decisions that there is none
  double noise_decibel = -100.0;  // running average of frames that are not speech

  double end_silence_ms = 0;  // silence that ends a segment, counted by the window
  double speech_noise_thres = 0;
  double speech_ms = 0;  // chunks since the segment was reported: where in the schedule we are
  bool counting_speech = false;

  std::vector<Found> found;     // not fully reported yet; only the last one may be open
  bool start_reported = false;  // of the open one
};

// Scores and loudness of the frames of one chunk.
struct VadFrames {
  const float* scores = nullptr;    // (count, pdfs) row-major, probabilities
  const float* decibels = nullptr;  // (count)
  std::int64_t count = 0;
  std::int64_t pdfs = 0;
};

// Immutable: one object serves any number of streams in any number of threads, each with its state.
class VadDetector {
 public:
  // Throws std::invalid_argument for options that make no sense.
  explicit VadDetector(VadOptions options);

  const VadOptions& options() const { return options_; }
  VadState Start() const;

  // Decides on the next chunk and returns what is to be reported after it. is_final: the stream
  // ends here; the state is then of no more use. Streams: [start, -1], [-1, end] or [start, end];
  // otherwise whole segments. Throws std::invalid_argument when sil_pdf_ids go beyond the scores;
  // nothing has changed then.
  std::vector<VadSegment> Accept(VadState& state, const VadFrames& frames, bool is_final) const;

  // No segment that is still to be reported whole begins before this, in ms.
  std::int64_t NeededFrom(const VadState& state) const;

 private:
  enum class Change { kToSpeech, kSpeech, kToSilence, kSilence };

  std::int64_t Frames(double ms) const;
  void ApplySchedule(VadState& state) const;
  double SilenceProbability(const float* scores) const;
  bool IsSpeech(VadState& state, double silence, double decibel) const;
  Change Slide(VadState& state, bool speech) const;
  void Step(VadState& state, bool speech, std::int64_t frame, bool last) const;
  void StepInSpeech(VadState& state, Change change, std::int64_t frame, bool last) const;
  void Begin(VadState& state, std::int64_t frame) const;
  void Extend(VadState& state, std::int64_t frame) const;
  void End(VadState& state, std::int64_t frame) const;
  bool TooLong(const VadState& state, std::int64_t frame) const;
  static void Rearm(VadState& state);
  std::vector<VadSegment> Report(VadState& state, bool is_final) const;

  const VadOptions options_;
  const std::int64_t window_frames_, to_speech_, to_silence_, lookahead_;
  const std::int64_t latency_;  // frames before the detection at which a segment begins
};

}  // namespace safeasr::asr
