"""EParaformer: FunASR's class of that name with SAN-M encoder and decoder."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.e_paraformer.export import export
from safeasr.families.e_paraformer.recognizer import OPTIONS, EParaformerRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="e_paraformer",
    model_classes=("EParaformer",),
    export=export,
    load=EParaformerRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
