"""BiCifParaformer: FunASR's class of that name with SAN-M encoder and decoder."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.bicif_paraformer.export import export
from safeasr.families.bicif_paraformer.recognizer import OPTIONS, BiCifRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="bicif_paraformer",
    model_classes=("BiCifParaformer",),
    export=export,
    load=BiCifRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
