"""What the callers of ``safeasr bench`` cost: they call a function that does nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import Measured, measure_calls


@pytest.mark.parametrize("callers", [1, 16])
def test_a_call(benchmark: Any, report: Callable[..., None], quick: bool, callers: int) -> None:
    clips = [Clip(f"clip {n}", np.zeros(16, np.float32)) for n in range(16)]
    passes = 500 if quick else 10_000
    taken: list[Measured] = []

    def run() -> None:
        taken.append(measure_calls(lambda samples: "", clips, callers, passes=passes))

    benchmark.pedantic(run, rounds=5)
    cpu = [load.cpu_s / load.run.counts.right for load in taken]
    report(callers=callers, cpu_us=round(statistics.median(cpu) * 1e6, 2))
