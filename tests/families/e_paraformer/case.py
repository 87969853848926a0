"""EParaformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.e_paraformer import E_SHAPES, write_e_paraformer

CASE = FamilyCase(
    name="e_paraformer",
    model_class="EParaformer",
    shapes={shape.name: partial(write_e_paraformer, shape=shape) for shape in E_SHAPES},
    calls=[{}],
)
