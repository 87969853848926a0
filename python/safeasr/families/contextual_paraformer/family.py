"""ContextualParaformer: FunASR's class of that name."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.contextual_paraformer.export import export
from safeasr.families.contextual_paraformer.recognizer import OPTIONS, ContextualRecognizer
from safeasr.families.lexicons import SEG_DICT
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="contextual_paraformer",
    model_classes=("ContextualParaformer",),
    export=export,
    load=ContextualRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=(SEG_DICT,),
)
