"""CTC networks, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.hybrids import config_of, write_hybrid_dir

CASE = FamilyCase(
    name="ctc",
    model_class="CTC",
    shapes={"usual": partial(write_hybrid_dir, config=config_of("CTC"))},
    calls=[{}],
)
