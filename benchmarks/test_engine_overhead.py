"""What the engine itself costs: a network that does nothing, submitted from Python.

Everything but the network is in the figures: the Python call, the copy of the input, the queue,
the batching, waking a worker, running an empty TorchScript program, waking the caller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import safeasr  # noqa: F401
from safeasr import _ext


class Nothing(torch.nn.Module):
    """Gives the lengths back."""

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return lengths


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Any]]:
    path = tmp_path_factory.mktemp("nothing") / "nothing.ts"
    torch.jit.script(Nothing().eval()).save(str(path))
    runner = _ext.TensorRunner(_ext.Program.load(str(path)), _ext.BatchLimits(max_requests=32))
    engine = _ext.Engine(num_workers=2, queue_size=1024)
    values = np.zeros((1, 1), dtype=np.float32)

    def call() -> Any:
        ticket = engine.submit_tensor(runner, values)
        ticket.wait()
        return ticket.get()

    call.stats = engine.stats  # type: ignore[attr-defined]
    for _ in range(200):
        call()
    yield call
    engine.close()


def test_latency_from_one_thread(
    benchmark: Any, echo: Callable[[], Any], report: Callable[..., None], quick: bool
) -> None:
    count = 2_000 if quick else 20_000
    taken: list[float] = []

    def run() -> None:
        for _ in range(count):
            began = time.perf_counter()
            echo()
            taken.append(time.perf_counter() - began)

    benchmark.pedantic(run, rounds=3)
    p50, p99 = (float(x) * 1e6 for x in np.percentile(taken, [50, 99]))
    report(threads=1, calls=len(taken), p50_us=round(p50, 1), p99_us=round(p99, 1))
    assert [int(x[0]) if x.ndim else int(x) for x in echo()] == [1]


@pytest.mark.parametrize("threads", [1, 4, 32])
def test_throughput(
    benchmark: Any,
    echo: Callable[[], Any],
    report: Callable[..., None],
    quick: bool,
    threads: int,
) -> None:
    count = 3_200 if quick else 32_000

    def run() -> None:
        callers = [
            threading.Thread(target=lambda: [echo() for _ in range(count // threads)])
            for _ in range(threads)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    before = echo.stats()  # type: ignore[attr-defined]
    rounds = 5
    benchmark.pedantic(run, rounds=rounds)
    after = echo.stats()  # type: ignore[attr-defined]
    batches = after["batches"] - before["batches"]
    report(
        threads=threads,
        calls=count,
        calls_per_s=round(count / benchmark.stats.stats.median),
        mean_batch=round((after["batched_requests"] - before["batched_requests"]) / batches, 2),
    )
    assert after["failed"] == 0
    assert after["completed"] - before["completed"] == count * rounds


def test_results_do_not_pile_up(echo: Callable[[], Any], benchmark: Any) -> None:
    """Resident memory must not grow with the number of calls."""

    def resident() -> int:
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[1])

    def run() -> None:
        for _ in range(5_000):
            echo()

    run()
    before = resident()
    benchmark.pedantic(run, rounds=2)
    assert resident() - before < 2_000  # pages of 4 KiB
