"""Requests that fail on an accelerator: alone, in a batch of others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import InferenceError
from support.device_process import on_fake_device
from support.fakegpu import HERE

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")


def at_once(work: Callable[[int], Any], count: int, threads: int = 16) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


@on_fake_device
def test_only_the_culprit_fails(tmp_path: Path) -> None:
    from safeasr import _ext
    from support.programs import Doubler, save

    engine = _ext.Engine(num_workers=2, queue_size=64, device=HERE)
    program = _ext.Program.load(save(Doubler(), tmp_path / "doubler.ts"), device=HERE)
    limits = _ext.BatchLimits(max_requests=16, max_cost=10**6, max_padding=1.0, max_wait_ms=20)
    runner = _ext.TensorRunner(program, limits)

    def ask(index: int) -> Any:
        array = np.full((1 + index % 5, 3), 1e7 if index % 8 == 3 else index, np.float32)
        ticket = engine.submit_tensor(runner, array)
        assert ticket.wait(60)
        if index % 8 == 3:
            with pytest.raises(InferenceError, match="too large"):
                ticket.get()
        else:
            assert (ticket.get()[0][: len(array)] == 2 * array).all()

    at_once(ask, 64)
    engine.close()
    stats = engine.stats()
    assert (stats["completed"], stats["failed"]) == (56, 8)
