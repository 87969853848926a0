"""The options of FSMN-VAD."""

from __future__ import annotations

from typing import Any

from safeasr.families.cached import CACHE
from safeasr.options.declared import (
    FLAG,
    Kind,
    Option,
    Options,
    Where,
    list_of,
    number,
    whole,
)

__all__ = ["CHUNK_MS", "FIXED_OPTIONS", "MODEL_OPTIONS", "OPTIONS", "UNREAD_OPTIONS"]

#: FunASR's chunk_size where none is given, in ms.
CHUNK_MS = 60000.0

_TIME = number("a time of 0 ms or more", least=0, most=1e11)
#: Infinity is a fair way to say never.
_SILENCE = number("a time of 0 ms or more", least=0)
_CHUNK = number("a number of ms above 0", least=1e-9, most=1e11)
_COUNT = whole("a whole number of at least 1", least=1)
_MODE = whole("0 (one utterance) or 1 (several)", least=0, most=1)
_IDS = list_of(whole(), "a list of at least one whole number", least=1)
_SCHEDULE = list_of(
    list_of(number(), "a pair of numbers", least=2, most=2),
    "pairs (speech up to, silence that ends it) in ms",
)


def _of_model(name: str, kind: Kind, default: Any, help: str) -> Option:
    """An option that FunASR reads from the model and from the constructor only."""
    return Option(name, kind, default, Where.CONSTRUCTOR, help)


_OF_MODEL = Options(
    _of_model("detect_mode", _MODE, 1, "One utterance, or several."),
    _of_model("max_start_silence_time", number(), 3000, "Silence that ends one utterance."),
    _of_model("window_size_ms", number(), 200, "Window over which frames are counted."),
    _of_model("sil_to_speech_time_thres", _TIME, 150, "Speech in it with which speech begins."),
    _of_model("speech_to_sil_time_thres", _TIME, 150, "Speech in it with which speech ends."),
    _of_model("speech_2_noise_ratio", number(), 1.0, "Exponent of the probability of silence."),
    _of_model("do_extend", FLAG, True, "Widen segments by the next two."),
    _of_model("lookback_time_start_point", _TIME, 200, "How much earlier they begin."),
    _of_model("lookahead_time_end_point", _TIME, 100, "How much later they end."),
    _of_model("max_single_segment_time", number(), 60000, "Longer segments are cut."),
    _of_model("snr_thres", number(), -100.0, "How much louder than noise speech is, in dB."),
    _of_model("noise_frame_num_used_for_snr", _COUNT, 100, "Frames of that average."),
    _of_model("decibel_thres", number(), -100.0, "How loud speech is at least, in dB."),
    _of_model("fe_prior_thres", number(), 1e-4, "From 1 on nothing is speech."),
    _of_model("sil_pdf_ids", _IDS, [0], "Scores that together are silence."),
)
_OF_BOTH = Options(
    Option("max_end_silence_time", _SILENCE, 800, help="Silence that ends a segment."),
    Option("speech_noise_thres", number(), 0.6, help="By how much speech must exceed silence."),
)
#: What FunASR's VADXOptions takes from the model and from the constructor.
MODEL_OPTIONS = frozenset(_OF_MODEL | _OF_BOTH)
OPTIONS = (
    _OF_MODEL
    | _OF_BOTH
    | Options(
        Option("chunk_size", _CHUNK, CHUNK_MS, help="Of each step."),
        Option("dynamic_silence", FLAG, help="The silence that ends a segment is the schedule's."),
        Option("silence_schedule", _SCHEDULE, help="Silence by the length of the speech."),
        Option("is_streaming_input", FLAG, help="Report a segment when it begins."),
        Option("is_final", FLAG, help="The stream ends with this chunk."),
        Option("cache", CACHE, where=Where.CALL, help="A dict that holds the stream."),
    )
)
#: These belong to the network and its frontend, so only the model says them.
FIXED_OPTIONS = frozenset(["sample_rate", "frame_in_ms"])
#: FunASR takes these too, and nothing of it reads them.
UNREAD_OPTIONS = frozenset(
    "snr_mode do_start_point_detection do_end_point_detection nn_eval_block_size dcd_block_size "
    "speech_noise_thresh_low speech_noise_thresh_high output_frame_probs silence_pdf_num".split()
)
