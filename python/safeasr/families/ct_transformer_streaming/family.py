"""CT-Transformer for live texts: FunASR's class ``CTTransformerStreaming``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.ct_transformer_streaming.export import export
from safeasr.families.ct_transformer_streaming.recognizer import (
    OPTIONS,
    CtTransformerStreaming,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="ct_transformer_streaming",
    model_classes=("CTTransformerStreaming",),
    export=export,
    load=CtTransformerStreaming,
    precisions=PRECISIONS,
    options=OPTIONS,
)
