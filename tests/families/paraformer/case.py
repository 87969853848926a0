"""Paraformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.models import SHAPES, write_model_dir

CASE = FamilyCase(
    name="paraformer",
    model_class="Paraformer",
    shapes={shape.name: partial(write_model_dir, shape=shape) for shape in SHAPES},
    calls=[{}, {"output_timestamp": True}],
)
