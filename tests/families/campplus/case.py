"""CAM++, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.speakers import write_speaker_dir

SHAPES = {
    "narrow": {"growth_rate": 4, "bn_size": 2, "init_channels": 16, "embedding_size": 24},
    "wide": {"bn_size": 3, "growth_rate": 4, "init_channels": 8, "embedding_size": 16},
}

CASE = FamilyCase(
    name="campplus",
    model_class="CAMPPlus",
    shapes={
        shape: partial(write_speaker_dir, model_class="CAMPPlus", conf=conf)
        for shape, conf in SHAPES.items()
    },
    calls=[{}],
    shortest=0.2,
    encoder=False,
    lengths=(0.3, 0.7, 1.5, 1.5, 1.5, 2.4, 4.1),
)
