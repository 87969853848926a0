"""Calls that end oddly, left, put off or late, are counted and told as what they were."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, EngineClosedError, InferenceError
from safeasr.observability.moments import InputMoments
from safeasr.observability.observer import Observer
from safeasr.pipeline.pieces import Pieces
from support.audio import speech
from support.processes import exit_code_of
from support.waiting import until

CLIP = speech(0.4)
LOGGER = "safeasr.requests"
Gated = Callable[..., AutoModel]


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Failed requests are logged."""
    with caplog.at_level(logging.INFO, logger=LOGGER):
        yield


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


def test_an_input_that_was_put_off(
    gated_model: Gated, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The queue was full when it was read ahead; that is no failure, and it was read once."""
    model = gated_model(queue_size=4, max_batch_size=4)

    def open_when_full() -> None:
        until(lambda: model.stats()["rejected"] > 0)
        gate.open()

    opener = threading.Thread(target=open_when_full)
    opener.start()
    results = list(model.generate_iter([CLIP] * 12, key=[f"k{i}" for i in range(12)]))
    opener.join()
    stats = model.stats()
    assert [one["key"] for one in results] == [f"k{i}" for i in range(12)]
    assert lines(caplog) == []
    assert stats["errors"] == {}
    assert stats["latency"]["decode"]["count"] == 12
    assert stats["audio_in_seconds"] == pytest.approx(12 * len(CLIP) / 16000, abs=1e-3)


def test_an_error_in_place_of_a_result_is_counted_once(gated_model: Gated, gate: Any) -> None:
    model = gated_model(max_batch_size=1)
    running = model.submit(CLIP)
    until(running.running)
    results: list[dict[str, Any]] = []
    loop = threading.Thread(
        target=lambda: results.extend(model.generate_iter(CLIP, on_error="return"))
    )
    loop.start()
    until(lambda: model.stats()["waiting"] > 0)
    closing = threading.Thread(target=lambda: model.close(drain=False))
    closing.start()
    until(lambda: model.stats()["waiting"] == 0 or model.closed)
    gate.open()
    loop.join(20)
    closing.join(20)
    assert [type(one["error"]) for one in results] == [EngineClosedError]
    assert isinstance(running.exception(20), (EngineClosedError, type(None)))
    assert model.stats()["errors"]["EngineClosedError"] == 1 + bool(running.exception(20))


def test_work_after_the_engine_counts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    combined = Pieces.combined

    def slowly(self: Pieces) -> Any:
        time.sleep(0.6)
        return combined(self)

    monkeypatch.setattr(Pieces, "combined", slowly)
    with AutoModel("demo", vad_model="demo-vad", num_workers=1, slow_request_s=0.5) as model:
        model.generate(speech(3.0), key="long", disable_pbar=True)
        began = time.monotonic()
        future = model.submit(speech(3.0), key="left there")
        until(future.done)
        worked = time.monotonic() - began
        time.sleep(1.0)
        future.result()
    one, other = lines(caplog)
    assert one.total_s > 0.6 and one.key == "long"  # type: ignore[attr-defined]
    assert 0.6 < other.total_s < worked + 0.5  # type: ignore[attr-defined]


def test_an_error_that_lay_there_is_not_slow(
    gated_model: Gated, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate.open()
    model = gated_model(slow_request_s=2.0)
    model.generate(CLIP)
    future = model.submit(CLIP * np.float32(1e30))
    until(future.done)
    time.sleep(2.2)
    assert isinstance(future.exception(), InferenceError)
    (record,) = lines(caplog)
    assert record.levelno == logging.INFO
    assert record.error == "InferenceError"  # type: ignore[attr-defined]
    assert record.total_s < 2.0  # type: ignore[attr-defined]


def test_a_task_that_gave_up_is_told(
    gated_model: Gated, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = gated_model(slow_request_s=0.1)

    async def give_up() -> None:
        await asyncio.wait_for(model.agenerate(CLIP, key="dropped"), 0.5)

    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        asyncio.run(give_up())
    gate.open()
    (record,) = lines(caplog)
    assert record.levelno == logging.WARNING
    assert (record.key, record.error) == ("dropped", "CancelledError")  # type: ignore[attr-defined]
    assert model.stats()["calls"]["cancelled"] == 1
    assert model.stats()["errors"] == {}


def test_a_future_that_was_cancelled_is_told(
    gated_model: Gated, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = gated_model(max_batch_size=1)
    running = model.submit(CLIP)
    until(running.running)
    future = model.submit(CLIP, key="dropped")
    assert future.cancel()
    gate.open()
    for _ in range(2):
        with pytest.raises(Exception, match="cancelled"):
            future.result(10)
    (record,) = lines(caplog)
    assert (record.key, record.error) == ("dropped", "CancelledError")  # type: ignore[attr-defined]


def test_a_loop_that_was_left(
    gated_model: Gated, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate.open()
    model = gated_model(num_workers=1)
    with model.generate_iter([CLIP, CLIP]) as left:
        next(left)
    assert {one.error for one in lines(caplog)} == {"CancelledError"}  # type: ignore[attr-defined]
    caplog.clear()
    forgotten = model.generate_iter([CLIP, CLIP])
    next(forgotten)
    del forgotten
    gc.collect()
    assert lines(caplog) == [], "a destructor logs nothing"
    assert model.stats()["calls"]["cancelled"] == 2


def test_a_chunk_that_was_taken_back_was_not_answered() -> None:
    observer = Observer()
    watch = observer.stream("k").chunk()
    watch.heard(1.0)
    watch.cancelled()
    watch.answered()
    stats = observer.stats()
    assert stats["audio_out_seconds"] == 0
    assert stats["chunks"] == {"begun": 1, "answered": 0, "failed": 0, "cancelled": 1}


def test_a_second_try_is_read_once() -> None:
    observer = Observer()
    first = InputMoments(observer.counters, "k")
    first.read(1.0)
    InputMoments(observer.counters, "k", first).read(1.0)
    assert observer.stats()["audio_in_seconds"] == 1.0
    assert observer.stats()["latency"]["decode"]["count"] == 1


def test_what_several_take_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with AutoModel("demo", num_workers=1, slow_request_s=0.0) as model:
        for _ in range(20):
            caplog.clear()
            future = model.submit(CLIP)
            together = threading.Barrier(4)

            def take(future: Any = future, together: Any = together) -> None:
                future.wait()
                together.wait()
                future.result()

            threads = [threading.Thread(target=take) for _ in range(4)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert len(lines(caplog)) == 1


def test_a_forked_child_takes_no_lock_of_its_parents(gated_model: Gated, gate: Any) -> None:
    """A thread of the parent may have held it; and what the child says does not count."""
    model = gated_model()
    future = model.submit(CLIP)
    until(future.running)
    waiting = model.submit(CLIP)
    pid = os.fork()
    if pid == 0:
        fine = not future.cancel() and not waiting.cancel() and not waiting.cancelled()
        os._exit(0 if fine and model.stats()["errors"] == {} else 1)
    assert exit_code_of(pid) == 0
    gate.open()
    assert waiting.result(30) and future.result(30)
    assert model.stats()["calls"]["answered"] == 2
