"""SANM-KWS for live streams: FunASR's class ``SanmKWSStreaming``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.lexicons import LEXICONS
from safeasr.families.sanm_kws_streaming.export import export
from safeasr.families.sanm_kws_streaming.recognizer import OPTIONS, StreamingKeywordSpotter
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="sanm_kws_streaming",
    model_classes=("SanmKWSStreaming",),
    export=export,
    load=StreamingKeywordSpotter,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=LEXICONS,
)
