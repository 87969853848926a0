// Options of the voice activity decision.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace safeasr::asr {

// After so much speech in one segment, so much silence ends it.
struct SilenceStep {
  double speech_ms = 0;  // up to here, included
  double silence_ms = 0;
};

// Names, units and defaults of FunASR's VADXOptions and of FsmnVADStreaming.inference
// (funasr/models/fsmn_vad_streaming/model.py). Left out is what FunASR accepts and never reads:
// snr_mode, do_start_point_detection, do_end_point_detection, nn_eval_block_size, dcd_block_size,
// speech_noise_thresh_low and _high, output_frame_probs. Times are in ms; a part of a frame is cut.
struct VadOptions {
  int sample_rate = 16000;        // Hz
  std::int64_t frame_in_ms = 10;  // from one score to the next

  bool single_utterance = false;  // detect_mode 0: stop after the first segment

  // A frame is speech when its probability exceeds that of silence by this much and it is loud
  // enough, in itself and against the average of the frames that were not speech.
  double speech_noise_thres = 0.6;
  double speech_2_noise_ratio = 1.0;            // exponent of the probability of silence
  std::vector<std::int64_t> sil_pdf_ids = {0};  // scores that together are silence
  double decibel_thres = -100.0;
  double snr_thres = -100.0;
  std::int64_t noise_frame_num_used_for_snr = 100;
  double fe_prior_thres = 1e-4;  // from 1 on nothing is speech

  // Speech begins when this much of the window is speech, and ends when no more than this is.
  double window_size_ms = 200;
  double sil_to_speech_time_thres = 150;
  double speech_to_sil_time_thres = 150;

  double max_end_silence_time = 800;       // silence that ends a segment
  double max_start_silence_time = 3000;    // silence that ends a single utterance before it began
  double max_single_segment_time = 60000;  // longer segments are cut
  bool do_extend = true;                   // widen segments by the two times below
  double lookback_time_start_point = 200;
  double lookahead_time_end_point = 100;

  // With dynamic_silence the schedule replaces max_end_silence_time, and speech_noise_thres is 0.5,
  // whatever was asked for. Looked up before each chunk.
  bool dynamic_silence = true;
  std::vector<SilenceStep> silence_schedule = {{10000, 2000},
                                               {20000, 1000},
                                               {30000, 800},
                                               {40000, 600},
                                               {50000, 400},
                                               {60000, 200},
                                               {std::numeric_limits<double>::infinity(), 100}};

  double chunk_size = 60000;        // samples are looked at in pieces of this length
  bool is_streaming_input = false;  // report a segment when it begins: an open end is -1
};

// Throws std::invalid_argument, naming the option, for values that make no sense.
void CheckVadOptions(const VadOptions& options);

}  // namespace safeasr::asr
