"""SANM-KWS: FunASR's class ``SanmKWS``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.keyword_spotter import OPTIONS, KeywordSpotter
from safeasr.families.lexicons import LEXICONS
from safeasr.families.sanm_kws.export import export
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="sanm_kws",
    model_classes=("SanmKWS",),
    export=export,
    load=KeywordSpotter,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=LEXICONS,
)
