"""ERes2NetV2, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.speakers import write_speaker_dir

SHAPES = {
    "narrow": {"m_channels": 8, "embedding_size": 24, "num_blocks": [1, 1, 2, 1]},
    "scales": {"m_channels": 8, "baseWidth": 32, "scale": 3, "num_blocks": [1, 2, 1, 1]},
}

CASE = FamilyCase(
    name="eres2netv2",
    model_class="ERes2NetV2",
    shapes={
        shape: partial(write_speaker_dir, model_class="ERes2NetV2", conf=conf)
        for shape, conf in SHAPES.items()
    },
    calls=[{}],
    shortest=0.2,
    encoder=False,
    lengths=(0.3, 0.7, 1.5, 1.5, 1.5, 2.4, 4.1),
)
