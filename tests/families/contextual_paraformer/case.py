"""ContextualParaformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.contextual import write_contextual
from support.models import SHAPES, USUAL
from support.seaco import many_hotwords

CASE = FamilyCase(
    name="contextual_paraformer",
    model_class="ContextualParaformer",
    shapes={
        USUAL.name: write_contextual,
        SHAPES[2].name: partial(write_contextual, shape=SHAPES[2], own_embedding=True),
    },
    calls=[
        {},
        {"hotword": "今天 hello"},
        {"hotword": many_hotwords(60), "clas_scale": 0.5},
    ],
)
