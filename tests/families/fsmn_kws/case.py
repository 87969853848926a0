"""FSMN-KWS, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.keywords import CALLS, SHAPES, write_keyword_dir

CASE = FamilyCase(
    name="fsmn_kws",
    model_class="FsmnKWS",
    shapes={shape.name: partial(write_keyword_dir, shape=shape) for shape in SHAPES},
    calls=CALLS,
)
