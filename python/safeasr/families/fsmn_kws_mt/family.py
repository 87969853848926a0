"""FSMN-KWS with two heads: FunASR's class ``FsmnKWSMT``."""

from __future__ import annotations

from safeasr.families.base import Family
from safeasr.families.fsmn_kws_mt.export import FILES, export
from safeasr.families.fsmn_kws_mt.recognizer import TwoHeadedSpotter
from safeasr.families.keyword_spotter import OPTIONS
from safeasr.nets.precision import PRECISIONS

__all__ = ["FAMILY"]

FAMILY = Family(
    name="fsmn_kws_mt",
    model_classes=("FsmnKWSMT",),
    export=export,
    load=TwoHeadedSpotter,
    precisions=PRECISIONS,
    options=OPTIONS,
    files=FILES,
)
