"""The names of FSMN-VAD's options."""

from __future__ import annotations

__all__ = [
    "CONSTRUCTOR_OPTIONS",
    "FIXED_OPTIONS",
    "MODEL_OPTIONS",
    "OPTIONS",
    "UNREAD_OPTIONS",
]

#: What FunASR's VADXOptions takes from the model and from the constructor.
MODEL_OPTIONS = frozenset(
    "detect_mode max_end_silence_time max_start_silence_time window_size_ms "
    "sil_to_speech_time_thres speech_to_sil_time_thres speech_2_noise_ratio do_extend "
    "lookback_time_start_point lookahead_time_end_point max_single_segment_time snr_thres "
    "noise_frame_num_used_for_snr decibel_thres speech_noise_thres fe_prior_thres "
    "sil_pdf_ids".split()
)
#: These belong to the network and its frontend, so only the model says them.
FIXED_OPTIONS = frozenset(["sample_rate", "frame_in_ms"])
#: FunASR takes these too, and nothing of it reads them.
UNREAD_OPTIONS = frozenset(
    "snr_mode do_start_point_detection do_end_point_detection nn_eval_block_size dcd_block_size "
    "speech_noise_thresh_low speech_noise_thresh_high output_frame_probs silence_pdf_num".split()
)
OPTIONS = frozenset(
    "chunk_size max_end_silence_time speech_noise_thres dynamic_silence silence_schedule "
    "is_streaming_input is_final cache".split()
)
CONSTRUCTOR_OPTIONS = MODEL_OPTIONS - OPTIONS
