"""SenseVoiceSmall: FunASR's class ``SenseVoiceSmall``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.sense_voice.export import export
from safeasr.families.sense_voice.recognizer import (
    OPTIONS,
    SenseVoiceRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="sense_voice",
    model_classes=("SenseVoiceSmall",),
    export=export,
    load=SenseVoiceRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
