"""BiCifParaformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.seaco import BICIF_SHAPES, write_bicif

CASE = FamilyCase(
    name="bicif_paraformer",
    model_class="BiCifParaformer",
    shapes={shape.name: partial(write_bicif, shape=shape) for shape in BICIF_SHAPES},
    calls=[{}, {"begin_time": 1500}],
)
