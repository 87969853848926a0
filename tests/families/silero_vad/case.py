"""Silero VAD, for the suites that take every family."""

from __future__ import annotations

from support.cases import FamilyCase
from support.silero import write_silero_dir
from support.vad import conversation

CASE = FamilyCase(
    name="silero_vad",
    model_class="SileroVad",
    shapes={"random weights": write_silero_dir},
    calls=[
        {},
        {"silero_threshold": 0.6, "silero_min_silence_duration_ms": 60},
        {"silero_min_speech_duration_ms": 0, "silero_speech_pad_ms": 0},
        {"max_single_segment_time": 700, "silero_speech_pad_ms": 200},
    ],
    clip=conversation,
    lengths=(0.01, 0.4, 1.3, 2.4, 3.9, 7.7, 11.0),
    published="silero-vad",
    encoder=False,
)
