"""MonotonicAligner, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.aligner import ALIGNER_SHAPES, said_in, write_aligner
from support.cases import FamilyCase

CASE = FamilyCase(
    name="monotonic_aligner",
    model_class="MonotonicAligner",
    shapes={shape.name: partial(write_aligner, shape=shape) for shape in ALIGNER_SHAPES},
    calls=[{}],
    clip=said_in,
    pairs=True,
)
