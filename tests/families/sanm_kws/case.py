"""SANM-KWS, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.keywords import CALLS, SANM, write_keyword_dir

CASE = FamilyCase(
    name="sanm_kws",
    model_class="SanmKWS",
    shapes={shape.name: partial(write_keyword_dir, shape=shape) for shape in SANM},
    calls=CALLS,
)
