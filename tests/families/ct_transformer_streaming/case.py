"""CT-Transformer for live texts, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.punctuation import LIVE_SHAPES, spoken, write_punc_dir

CASE = FamilyCase(
    name="ct_transformer_streaming",
    model_class="CTTransformerStreaming",
    shapes={shape.name: partial(write_punc_dir, shape=shape, live=True) for shape in LIVE_SHAPES},
    calls=[{}, {"split_size": 7}],
    clip=spoken,
    text=True,
)
