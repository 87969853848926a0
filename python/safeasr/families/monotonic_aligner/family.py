"""MonotonicAligner: FunASR's class of that name, with a SAN-M encoder."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.lexicons import LEXICONS
from safeasr.families.monotonic_aligner.export import export
from safeasr.families.monotonic_aligner.recognizer import OPTIONS, AlignerRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="monotonic_aligner",
    model_classes=("MonotonicAligner",),
    export=export,
    load=AlignerRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=LEXICONS,
)
