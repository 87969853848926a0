"""Paraformer, offline: FunASR's class ``Paraformer`` with SAN-M encoder and decoder."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.paraformer.export import export
from safeasr.families.paraformer.recognizer import (
    OPTIONS,
    ParaformerRecognizer,
)
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="paraformer",
    model_classes=("Paraformer",),
    export=export,
    load=ParaformerRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
)
