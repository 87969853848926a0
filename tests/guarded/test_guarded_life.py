"""Queue, deadlines, cancelling and closing of guarded models."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from safeasr import (
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    QueueFullError,
    WorkerCrashedError,
)
from safeasr.guarded import watchman
from support.guarded import CLIP, processes_of
from support.waiting import until

Make = Callable[..., AutoModel]
ISOLATIONS = pytest.mark.parametrize("isolation", ["thread", "process"])


def running(model: AutoModel) -> Any:
    """A call that runs and takes long."""
    future = model.submit(CLIP, seconds=1.0)
    until(future.running)
    return future


@ISOLATIONS
def test_a_full_queue(make: Make, isolation: str) -> None:
    model = make(isolation=isolation, queue_size=2)
    first = running(model)
    waiting = [model.submit(CLIP) for _ in range(2)]
    with pytest.raises(QueueFullError):
        model.submit(CLIP, timeout=0)
    with pytest.raises(QueueFullError):
        model.generate(CLIP, timeout=0.05)
    assert model.stats()["rejected"] == 2
    assert model.stats()["waiting"] == 2
    assert model.generate(CLIP)[0]["text"]  # waits for room
    assert all(one.result(30) for one in (first, *waiting))


@ISOLATIONS
def test_cancelling(make: Make, isolation: str) -> None:
    model = make(isolation=isolation)
    first, second = running(model), model.submit(CLIP)
    assert second.cancel()
    assert not first.cancel()
    with pytest.raises(CancelledError):
        second.result(30)
    assert first.result(30)[0]["text"]
    assert model.generate(CLIP)[0]["text"]
    stats = model.stats()
    assert (stats["cancelled"], stats["completed"], stats["waiting"]) == (1, 2, 0)


def test_what_gave_up_waiting_is_let_go(make: Make) -> None:
    """Behind a call that hangs, the room of one that gave up is another's: so is its memory."""
    model = make(queue_size=2)
    first = running(model)
    places = model._by_itself._pool.waiting  # type: ignore[union-attr]
    for index in range(20):
        waiting = model.submit(CLIP, timeout=0.01 if index % 2 else None)
        assert index % 2 or waiting.cancel()
        until(waiting.done)
        until(lambda: not places)
    assert model.stats()["waiting"] == 0
    assert first.result(30)


@ISOLATIONS
def test_deadlines(make: Make, isolation: str) -> None:
    model = make(isolation=isolation)
    first = running(model)
    waiting = model.submit(CLIP, timeout=0.05)
    with pytest.raises(DeadlineExceededError):
        waiting.result(30)
    assert not first.done()  # it did not wait for its turn to be told
    with pytest.raises(DeadlineExceededError):
        model.generate(CLIP, timeout=0.05)
    assert first.result(30)
    late = model.submit(CLIP, timeout=0.1, seconds=0.5)
    with pytest.raises(DeadlineExceededError):
        late.result(30)
    assert model.generate(CLIP)[0]["text"]
    assert model.stats()["expired"] >= 2


@pytest.mark.slow
def test_a_process_that_hangs_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchman, "GRACE_S", 0.2)
    model = make(isolation="process")
    with pytest.raises(DeadlineExceededError):
        model.generate(CLIP, seconds=10_000, timeout=0.1)
    assert model.generate(CLIP)[0]["text"]
    hanging = model.submit(CLIP, seconds=10_000)
    until(hanging.running)
    assert not hanging.cancel()
    with pytest.raises(WorkerCrashedError, match="nobody waited"):
        hanging.result(60)
    assert model.generate(CLIP)[0]["text"]
    assert model.stats()["guarded"]["crashes"] == 2


@ISOLATIONS
def test_close_that_drains(make: Make, isolation: str) -> None:
    model = make(isolation=isolation)
    futures = [model.submit(CLIP, seconds=0.1) for _ in range(5)]
    model.close()
    assert model.closed
    assert all(one.result(0)[0]["text"] for one in futures)
    with pytest.raises(EngineClosedError):
        model.generate(CLIP)
    model.close()


@ISOLATIONS
def test_close_that_does_not(make: Make, isolation: str) -> None:
    model = make(isolation=isolation)
    futures = [running(model), *(model.submit(CLIP) for _ in range(5))]
    before = time.monotonic()
    model.close(drain=False)
    for one in futures:
        with pytest.raises(EngineClosedError):
            one.result(30)
    assert time.monotonic() - before < 30


@ISOLATIONS
def test_close_beside_calls(make: Make, isolation: str) -> None:
    """Each call has its answer or the error; none is lost."""
    model = make(isolation=isolation)
    begun = threading.Barrier(9)

    def call(_: int) -> str:
        begun.wait()
        for _ in range(1000):
            try:
                assert model.generate(CLIP)[0]["text"]
            except EngineClosedError:
                return "closed"
        return "never closed"

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call, index) for index in range(8)]
        begun.wait()
        model.close(drain=False)
        assert {one.result(60) for one in calls} == {"closed"}


def test_no_process_is_left_behind(make: Make) -> None:
    before = set(processes_of(os.getpid()))
    model = make(isolation="process", workers=2)
    assert len(set(processes_of(os.getpid())) - before) == 2
    model.close()
    assert set(processes_of(os.getpid())) == before


def test_cancelled_tasks(make: Make) -> None:
    model = make()

    async def give_up() -> None:
        first = running(model)
        task = asyncio.create_task(model.agenerate(CLIP))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await first

    asyncio.run(give_up())
    until(lambda: model.stats()["cancelled"] == 1)
    assert model.stats()["waiting"] == 0
