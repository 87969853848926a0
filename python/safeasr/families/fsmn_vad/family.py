"""FSMN-VAD: FunASR's class ``FsmnVADStreaming``, on recordings and on live streams."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.fsmn_vad.export import export
from safeasr.families.fsmn_vad.options import OPTIONS
from safeasr.families.fsmn_vad.recognizer import FsmnVadRecognizer

__all__ = ["FAMILY"]

FAMILY = Family(
    name="fsmn_vad",
    model_classes=("FsmnVADStreaming",),
    export=export,
    load=FsmnVadRecognizer,
    options=OPTIONS,
)
