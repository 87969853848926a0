"""SANM-KWS for live streams, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.keyword_streams import live
from support.keywords import LIVE, write_keyword_dir

CASE = FamilyCase(
    name="sanm_kws_streaming",
    model_class="SanmKWSStreaming",
    shapes={shape.name: partial(write_keyword_dir, shape=shape) for shape in LIVE},
    live=live,
)
