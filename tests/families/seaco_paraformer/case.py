"""SeacoParaformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.seaco import SEACO_SHAPES, many_hotwords, write_seaco

CASE = FamilyCase(
    name="seaco_paraformer",
    model_class="SeacoParaformer",
    shapes={shape.name: partial(write_seaco, shape=shape) for shape in SEACO_SHAPES},
    calls=[{}, {"hotword": ""}, {"hotword": "今天 hello"}, {"hotword": many_hotwords(80)}],
)
