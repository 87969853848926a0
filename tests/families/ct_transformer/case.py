"""CT-Transformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.punctuation import WHOLE_SHAPES, spoken, write_punc_dir

CASE = FamilyCase(
    name="ct_transformer",
    model_class="CTTransformer",
    shapes={shape.name: partial(write_punc_dir, shape=shape) for shape in WHOLE_SHAPES},
    calls=[{}, {"split_size": 7}],
    clip=spoken,
    text=True,
)
