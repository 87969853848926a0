"""FunASR's class ``CAMPPlus`` (``cam++``)."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.campplus.export import export
from safeasr.families.campplus.recognizer import OPTIONS, SpeakerRecognizer

__all__ = ["FAMILY"]

FAMILY = Family(
    name="campplus",
    model_classes=("CAMPPlus",),
    export=export,
    load=SpeakerRecognizer,
    options=OPTIONS,
)
