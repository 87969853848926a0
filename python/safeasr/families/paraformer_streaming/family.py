"""Streaming Paraformer: FunASR's class ``ParaformerStreaming``, chunk by chunk."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.paraformer_streaming.export import export
from safeasr.families.paraformer_streaming.recognizer import (
    OPTIONS,
    ParaformerStreamingRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="paraformer_streaming",
    model_classes=("ParaformerStreaming",),
    export=export,
    load=ParaformerStreamingRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
