"""Hybrids of CTC and attention: FunASR's classes that derive from ``Transformer``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.ctc_attention.export import export
from safeasr.families.ctc_attention.recognizer import OPTIONS, HybridRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="ctc_attention",
    model_classes=("Transformer", "Conformer", "Branchformer", "EBranchformer", "SANM"),
    export=export,
    load=HybridRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
