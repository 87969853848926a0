"""SenseVoice, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.sense_voice import SHAPES, write_model_dir

CASE = FamilyCase(
    name="sense_voice",
    model_class="SenseVoiceSmall",
    shapes={shape.name: partial(write_model_dir, shape=shape, seed=1) for shape in SHAPES},
    calls=[
        {"language": "zh"},
        {"language": "en", "use_itn": True},
        {"output_timestamp": True},
        {"ban_emo_unk": True},
    ],
)
