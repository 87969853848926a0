"""Loops over ``generate_iter`` that end early: nothing goes on behind them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time

import numpy as np
import pytest

from safeasr import AutoModel
from support.audio import Samples
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models")


@pytest.fixture(scope="module")
def wave() -> Samples:
    return conversation(40, seed=5)


def nothing_waits(model: AutoModel) -> None:
    end = time.monotonic() + 60
    while model.stats()["waiting"] or model._recordings._active:
        assert time.monotonic() < end, "something is under way"
        time.sleep(0.005)


@pytest.mark.parametrize("way", ["close", "with", "forgotten", "async"])
def test_leaving_the_loop(way: str, wave: Samples) -> None:
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        long = np.tile(wave, 40)
        if way == "close":
            loop = model.generate_iter(long)
            next(loop)
            loop.close()
            assert list(loop) == []
        elif way == "with":
            with model.generate_iter(long) as loop:
                next(loop)
        elif way == "forgotten":
            for _ in model.generate_iter(long):
                break
            gc.collect()
        else:

            async def leave() -> None:
                async with contextlib.aclosing(model.generate_iter(long)) as sentences:
                    async for _ in sentences:
                        break

            asyncio.run(leave())
        nothing_waits(model)
        # A 40th of it, and what was ahead.
        assert model.stats()["completed"] < 200


def test_a_cancelled_task_ends_it(wave: Samples) -> None:
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:

        async def cancelled() -> None:
            first = asyncio.Event()

            async def loop() -> None:
                async for _ in model.generate_iter(np.tile(wave, 40)):
                    first.set()

            task = asyncio.create_task(loop())
            await first.wait()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        nothing_waits(model)
        assert model.stats()["completed"] < 400
