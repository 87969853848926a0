"""What counting and timing a request costs, beside what it does: no network, no audio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from safeasr.observability.observer import Observer


def call(observer: Observer) -> None:
    """All that a call of one input does for it."""
    watch = observer.call("generate")
    moments = watch.input(0, "key")
    moments.read(1.0)
    taken = watch.taken(0)
    assert taken is not None
    taken.told(time.monotonic())
    watch.answered()


def chunk(stream: Any) -> None:
    """All that a chunk of a live stream does for it."""
    with stream.chunk() as watch:
        watch.heard(0.6)
    watch.has_turn()
    watch.answered()


@pytest.mark.parametrize("what", ["call", "call_with_slow_log", "chunk"])
def test_watching(benchmark: Any, report: Callable[..., None], quick: bool, what: str) -> None:
    observer = Observer("a model", 60.0 if what == "call_with_slow_log" else None)
    stream = observer.stream("key")
    ask: Callable[[], None] = (
        (lambda: chunk(stream)) if what == "chunk" else (lambda: call(observer))
    )
    count, taken = 2_000 if quick else 50_000, []

    def run() -> None:
        began = time.perf_counter()
        for _ in range(count):
            ask()
        taken.append((time.perf_counter() - began) / count)

    benchmark.pedantic(run, rounds=5)
    report(what=what, us=round(statistics.median(taken) * 1e6, 2))
