"""SeACo-Paraformer: FunASR's class ``SeacoParaformer``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.lexicons import SEG_DICT
from safeasr.families.seaco_paraformer.export import export
from safeasr.families.seaco_paraformer.recognizer import OPTIONS, SeacoRecognizer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="seaco_paraformer",
    model_classes=("SeacoParaformer",),
    export=export,
    load=SeacoRecognizer,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=(SEG_DICT,),
)
