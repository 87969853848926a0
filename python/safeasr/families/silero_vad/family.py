"""FunASR's class ``SileroVad`` (``silero-vad``)."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.silero_vad.export import export
from safeasr.families.silero_vad.recognizer import OPTIONS, SileroRecognizer

__all__ = ["FAMILY"]

FAMILY = Family(
    name="silero_vad",
    model_classes=("SileroVad",),
    export=export,
    load=SileroRecognizer,
    options=OPTIONS,
)
