"""Hybrids of CTC and attention, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.hybrids import CLASSES, config_of, write_hybrid_dir

CASE = FamilyCase(
    name="ctc_attention",
    model_class="Conformer",
    shapes={name: partial(write_hybrid_dir, config=config_of(name)) for name in CLASSES},
    calls=[{"beam_size": 3}, {"beam_size": 2, "decoding_ctc_weight": 0.0}, {"penalty": -0.5}],
    # FunASR searches for longer than a recording lasts.
    lengths=(0.05, 0.12, 0.2, 0.3, 0.5, 0.7, 0.9, 1.2),
)
