"""CTC networks: FunASR's class ``CTC``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.ctc.export import export
from safeasr.families.ctc.recognizer import OPTIONS, CtcRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="ctc",
    model_classes=("CTC",),
    export=export,
    load=CtcRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
