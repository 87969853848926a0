"""What is urgent waits for nothing but the batches that run: live chunks, callbacks, cancels."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import safeasr
from safeasr import (
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    QueueFullError,
)
from support.audio import Samples, speech
from support.waiting import until

pytest.importorskip("funasr", reason="funasr makes the gated model")

CLIP = speech(1.5)
GatedModel = Callable[..., AutoModel]


@pytest.fixture(scope="module")
def talk() -> Samples:
    """A conversation of many segments."""
    path = Path(safeasr.__file__).parent / "models" / "demo-streaming" / "audio"
    wave, _ = soundfile.read(path / "conversation.flac", dtype="float32")
    return np.ascontiguousarray(np.tile(wave, 4))


def test_a_live_chunk_passes_queued_recordings(gated_model: GatedModel, gate: Any) -> None:
    """One worker, held up by the first of 300 recordings: the chunk is in the next batch."""
    model = gated_model(online_model="demo-streaming", max_batch_size=4)
    recordings = [model.submit(CLIP)]
    until(lambda: model.stats()["busy_workers"] == 1)
    recordings += [model.submit(CLIP) for _ in range(299)]
    online = model._companions.get("online_model")  # on the same engine
    assert online is not None
    ticket = online.open(model._engine, {"chunk_size": [0, 10, 5]}).submit(speech(0.6))
    before = model.stats()["batches"]
    gate.open()
    assert ticket.wait(60)
    assert model.stats()["batches"] - before <= 2
    assert sum(future.done() for future in recordings) < 50
    assert len({future.result(60)[0]["text"] for future in recordings}) == 1


def test_a_full_queue_holds_up_no_stream(gated_model: GatedModel, gate: Any, talk: Samples) -> None:
    model = gated_model(online_model="demo-streaming", vad_model="demo-vad", queue_size=2)
    blocked = model.submit(talk)
    until(lambda: model.stats()["busy_workers"] >= 1)
    others = [model.submit(talk)]
    with pytest.raises(QueueFullError):
        model.submit(talk, timeout=0)
    with model.stream(mode="online") as stream:
        begun = time.monotonic()
        answers = [stream.submit(talk[i : i + 9600]) for i in range(0, 96000, 9600)]
        assert time.monotonic() - begun < 5  # it would be for ever: the gate is closed
        assert not blocked.done()
        gate.open()
        assert all(isinstance(answer.result(60), list) for answer in answers)
    for future in [blocked, *others]:
        assert future.result(60)[0]["text"]


def test_recordings_under_way_hold_up_no_callback(
    gated_model: GatedModel, gate: Any, model: AutoModel, talk: Samples
) -> None:
    """More segments than the queue has room for, and none of them is done."""
    busy = gated_model(vad_model="demo-vad", queue_size=1)
    recording = busy.submit(talk)
    until(lambda: busy.stats()["waiting"] > 1)
    called = threading.Event()
    model.submit(CLIP).add_done_callback(lambda _: called.set())
    assert called.wait(30)
    gate.open()
    assert recording.result(60)[0]["text"]


def held_up(model: AutoModel) -> bool:
    """Whether the detector is done, and the first segments run, with others behind them."""
    stats = model.stats()
    return bool(stats["batches"] > 1 and stats["waiting"] > 1)


def begun(model: AutoModel, talk: Samples) -> Any:
    """A recording whose first segments run, behind the gate."""
    future = model.submit(talk)
    until(lambda: held_up(model))
    assert future.running()
    return future


def test_cancelling_a_recording_ends_it(gated_model: GatedModel, gate: Any, talk: Samples) -> None:
    model = gated_model(vad_model="demo-vad", max_batch_size=2)
    future = begun(model, talk)
    assert future.cancel()
    assert future.cancelled()
    assert future.done()
    with pytest.raises(CancelledError):
        future.result(0)
    before = model.stats()["batches"]
    gate.open()
    until(lambda: model.stats()["busy_workers"] == 0 and model.stats()["waiting"] == 0)
    assert model.stats()["batches"] == before
    assert model.generate(talk)[0]["text"]


def test_a_recording_that_waits_for_its_turn_is_cancelled(
    gated_model: GatedModel, gate: Any, talk: Samples
) -> None:
    model = gated_model(vad_model="demo-vad")
    first = begun(model, talk)
    second = model.submit(talk)
    assert second.cancel()
    with pytest.raises(CancelledError):
        second.result(0)
    gate.open()
    assert first.result(60)[0]["text"]


def test_a_cancelled_task_ends_its_recording(
    gated_model: GatedModel, gate: Any, talk: Samples
) -> None:
    model = gated_model(vad_model="demo-vad", max_batch_size=2)

    async def main() -> None:
        task = asyncio.ensure_future(model.agenerate(talk))
        while not held_up(model):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(main(), 60))
    before = model.stats()["batches"]
    gate.open()
    until(lambda: model.stats()["busy_workers"] == 0 and model.stats()["waiting"] == 0)
    assert model.stats()["batches"] == before


def test_a_deadline_ends_a_recording(gated_model: GatedModel, gate: Any, talk: Samples) -> None:
    model = gated_model(vad_model="demo-vad", max_batch_size=2)
    with pytest.raises(DeadlineExceededError):
        model.generate(talk, timeout=1.0)
    before = model.stats()["batches"]
    gate.open()
    until(lambda: model.stats()["busy_workers"] == 0 and model.stats()["waiting"] == 0)
    assert model.stats()["batches"] == before
    assert model.generate(talk)[0]["text"]


def test_closing_cancels_or_drains_recordings(
    gated_model: GatedModel, gate: Any, talk: Samples
) -> None:
    models = [gated_model(vad_model="demo-vad", max_batch_size=2) for _ in range(2)]
    futures = [begun(model, talk) for model in models]
    closers = [
        threading.Thread(target=model.close, kwargs={"drain": drain})
        for model, drain in zip(models, (False, True))
    ]
    for closer in closers:
        closer.start()
    until(lambda: all(model.closed for model in models))
    for model in models:
        with pytest.raises(EngineClosedError):
            model.submit(talk)
    gate.open()
    for closer in closers:
        closer.join(60)
    with pytest.raises(EngineClosedError):
        futures[0].result(60)
    assert futures[1].result(60)[0]["text"]
