"""asyncio: awaiting does not block the loop, and cancelling cancels."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from safeasr import AutoModel, DeadlineExceededError, QueueFullError
from support.audio import speech
from support.waiting import until_async

CLIP = speech(1.5)


@pytest.mark.asyncio
async def test_await_and_agenerate(model: AutoModel) -> None:
    expected = model.generate(CLIP, key="k")
    assert await model.submit(CLIP, key="k") == expected
    assert await model.agenerate(CLIP, key="k") == expected
    done = model.submit(CLIP, key="k")
    done.result()
    assert await done == expected
    assert await done == expected


@pytest.mark.asyncio
async def test_gather_of_100(model: AutoModel) -> None:
    clips = [CLIP[: 8000 + 120 * n] for n in range(100)]
    expected = [model.generate(clip, key=str(n)) for n, clip in enumerate(clips)]
    results = await asyncio.gather(
        *(model.agenerate(clip, key=str(n), timeout=60) for n, clip in enumerate(clips))
    )
    assert results == expected


@pytest.mark.asyncio
async def test_errors_arrive(model: AutoModel) -> None:
    with pytest.raises(FileNotFoundError, match="no/such/file"):
        await model.agenerate("no/such/file.wav")


@pytest.mark.asyncio
async def test_the_loop_goes_on(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(queue_size=1)
    first = asyncio.ensure_future(model.agenerate(CLIP))
    await until_async(lambda: model.stats()["busy_workers"] == 1)
    # One waits for its turn, the others for room in the queue: neither may hold up the loop.
    others = [asyncio.ensure_future(model.agenerate(CLIP)) for _ in range(3)]
    ticks = 0
    for _ in range(20):
        await asyncio.sleep(0.005)
        ticks += 1
    assert ticks == 20
    assert not first.done()
    gate.open()
    results = await asyncio.wait_for(asyncio.gather(first, *others), 30)
    assert len({r[0]["text"] for r in results}) == 1


@pytest.mark.asyncio
async def test_cancelling_the_task_cancels_the_request(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    model = gated_model()
    running = asyncio.ensure_future(model.agenerate(CLIP))
    await until_async(lambda: model.stats()["busy_workers"] == 1)

    async def wait_for_future() -> Any:
        return await model.submit(CLIP)

    tasks = [asyncio.ensure_future(model.agenerate(CLIP)), asyncio.ensure_future(wait_for_future())]
    await until_async(lambda: model.stats()["submitted"] == 3)
    for task in tasks:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.open()
    assert (await running)[0]["text"]
    model.close()
    stats = model.stats()
    assert (stats["completed"], stats["cancelled"]) == (1, 2)


@pytest.mark.asyncio
async def test_cancelling_while_it_waits_for_room(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    """The thread that waits for room cannot be stopped, but what it submits is taken back."""
    model = gated_model(queue_size=1, max_batch_size=1)
    running = asyncio.ensure_future(model.agenerate(CLIP))
    await until_async(lambda: model.stats()["busy_workers"] == 1)
    fillers = []
    while True:
        try:
            fillers.append(model.submit(CLIP, timeout=0))
        except QueueFullError:
            break
    blocked = asyncio.ensure_future(model.agenerate(CLIP))
    await asyncio.sleep(0.1)
    blocked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(blocked, 5)
    gate.open()
    await asyncio.gather(running, *fillers)
    model.close()
    stats = model.stats()
    assert stats["submitted"] == stats["completed"] + stats["cancelled"]
    assert stats["cancelled"] <= 1


@pytest.mark.asyncio
async def test_timeouts(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model()
    with pytest.raises(DeadlineExceededError):  # while it runs
        await model.agenerate(CLIP, timeout=0.1)
    with pytest.raises(DeadlineExceededError):  # while it waits
        await model.agenerate(CLIP, timeout=0.1)
    future = model.submit(CLIP)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(future, 0.1)
    assert future.cancelled()
    gate.open()
    assert await model.agenerate(CLIP, timeout=30)


def test_results_after_the_loop_are_no_error(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    model = gated_model()

    async def give_up() -> None:
        task = asyncio.ensure_future(model.agenerate(CLIP))
        await until_async(lambda: model.stats()["busy_workers"] == 1)
        task.cancel()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(give_up())
        gate.open()
        model.close()
        gc.collect()
    assert model.stats()["cancelled"] == 1
