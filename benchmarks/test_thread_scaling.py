"""Speed and latency over the number of calling threads: one model, 1 to 32 callers.

Nothing is asserted about time; the figures are for ``benchmarks.run`` and for readers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.load import Processes, Round, System
from benchmarks.compare import summary
from safeasr.bench.audio.clips import Clip

SYSTEMS = {
    "safeasr": System("safeasr"),
    "funasr": System("funasr", 2),
    "funasr_locked": System("funasr", 2, locked=True),
}

Model = tuple[Path, list[Clip]]


def measure(
    benchmark: Any,
    processes: Processes,
    name: str,
    threads: int,
    *,
    passes: int,
    rounds: int,
) -> dict[str, Any]:
    """Run the rounds through pytest-benchmark and keep all figures of each."""
    if name != "safeasr":
        pytest.importorskip("funasr")
    process = processes.of(SYSTEMS[name])
    taken: list[Round] = []
    benchmark.pedantic(lambda: taken.append(process.run(threads, passes)), rounds=rounds)
    figures = summary(name, taken)
    return {key: value for key, value in figures.items() if key != "rounds"}


@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_demo(
    benchmark: Any,
    processes: Callable[[Path, list[Clip]], Processes],
    report: Callable[..., None],
    demo: Model,
    quick: bool,
    system: str,
    threads: int,
) -> None:
    # Long enough that the start and the end, when not all threads work, weigh little.
    passes, rounds = (3, 2) if quick else (12 if system == "safeasr" else 6, 3)
    figures = measure(benchmark, processes(*demo), system, threads, passes=passes, rounds=rounds)
    report(model="demo", **figures)
    if system == "safeasr":
        assert figures["errors"] == {}


@pytest.mark.parametrize("threads", [1, 4, 16])
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_full_size(
    benchmark: Any,
    processes: Callable[[Path, list[Clip]], Processes],
    report: Callable[..., None],
    full_size: Model,
    system: str,
    threads: int,
) -> None:
    figures = measure(benchmark, processes(*full_size), system, threads, passes=1, rounds=2)
    report(model="Paraformer-large", **figures)
    if system == "safeasr":
        assert figures["errors"] == {}
