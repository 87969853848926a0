"""FSMN-KWS with two heads, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.keywords import CALLS, TWO_HEADS, write_keyword_dir

CASE = FamilyCase(
    name="fsmn_kws_mt",
    model_class="FsmnKWSMT",
    shapes={TWO_HEADS.name: partial(write_keyword_dir, shape=TWO_HEADS)},
    calls=CALLS,
)
