"""CT-Transformer for whole texts: FunASR's class ``CTTransformer``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.ct_transformer.export import DICTIONARY, export
from safeasr.families.ct_transformer.recognizer import OPTIONS, CtTransformer
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="ct_transformer",
    model_classes=("CTTransformer",),
    export=export,
    load=CtTransformer,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=(DICTIONARY,),
)
