"""FSMN-KWS: FunASR's class ``FsmnKWS``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.fsmn_kws.export import export
from safeasr.families.keyword_spotter import OPTIONS, KeywordSpotter
from safeasr.families.lexicons import LEXICONS
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="fsmn_kws",
    model_classes=("FsmnKWS",),
    export=export,
    load=KeywordSpotter,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=LEXICONS,
)
