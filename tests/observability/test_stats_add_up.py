"""Whatever becomes of calls, each is counted once: begun, and answered, failed or cancelled."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    Future,
    OptionError,
    QueueFullError,
)
from support.audio import speech
from support.waiting import until

CLIP = speech(0.4)
BAD = np.full(400, np.nan, dtype=np.float32)


@pytest.fixture
def one() -> Iterator[AutoModel]:
    with AutoModel(model="demo", num_workers=2, disable_pbar=True) as model:
        yield model


def ended(stats: dict[str, Any], kind: str = "calls") -> int:
    return int(sum(stats[kind][how] for how in ("answered", "failed", "cancelled")))


def calls_of(model: AutoModel) -> tuple[int, int, int, int]:
    found = model.stats()["calls"]
    return found["begun"], found["answered"], found["failed"], found["cancelled"]


def fill(model: AutoModel) -> list[Future[Any]]:
    """Submit until the queue is full."""
    futures: list[Future[Any]] = []
    for _ in range(100):
        try:
            futures.append(model.submit(CLIP, timeout=0))
        except QueueFullError:
            return futures
    raise AssertionError("the queue takes any number of requests")


def test_nothing_was_called(one: AutoModel) -> None:
    stats = one.stats()
    assert calls_of(one) == (0, 0, 0, 0)
    assert stats["errors"] == {}
    assert stats["audio_in_seconds"] == stats["audio_out_seconds"] == 0
    assert all(found["count"] == 0 for found in stats["latency"].values())
    assert stats["latency"]["call"]["p95_s"] is None


def test_64_threads_add_up(one: AutoModel) -> None:
    """Good, bad, cancelled, forgotten: exactly, and at every moment no more ended than begun."""
    each, threads = 12, 64
    known: Counter[str] = Counter()
    lock = threading.Lock()
    stop = threading.Event()
    wrong: list[Any] = []

    def look() -> None:
        while not stop.is_set():
            stats = one.stats()
            if ended(stats) > stats["calls"]["begun"]:
                wrong.append(stats["calls"])

    def good() -> str:
        one.generate(CLIP)
        return "answered"

    def bad() -> str:
        with pytest.raises(AudioError):
            one.generate(BAD)
        return "failed"

    def refused() -> str:
        with pytest.raises(OptionError):
            one.submit(CLIP, fs="fast")
        return "failed"

    def kept() -> str:
        results = one.generate([CLIP, BAD], on_error="return")
        assert "error" in results[1]
        return "answered"

    def cancelled() -> str:
        future = one.submit([CLIP, CLIP])
        future.cancel()
        try:
            future.result(60)
        except CancelledError:
            return "cancelled"
        return "answered"

    def forgotten() -> str:
        one.submit(CLIP)
        return "answered"

    def taken() -> str:
        assert one.submit(CLIP).result(60)
        return "answered"

    kinds = (good, bad, refused, kept, cancelled, forgotten, taken)

    def run(thread: int) -> None:
        mine = Counter(kinds[(thread + i) % len(kinds)]() for i in range(each))
        with lock:
            known.update(mine)

    watcher = threading.Thread(target=look)
    watcher.start()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    one.close()  # what was forgotten ends, too
    stop.set()
    watcher.join()
    assert not wrong
    stats = one.stats()
    begun = each * threads
    assert calls_of(one) == (begun, known["answered"], known["failed"], known["cancelled"])
    assert sum(known.values()) == begun
    asked = Counter(kinds[(t + i) % len(kinds)] for t in range(threads) for i in range(each))
    assert stats["errors"] == {
        "AudioError": asked[bad] + asked[kept],
        "OptionError": asked[refused],
    }
    assert stats["refused"] == asked[refused]
    assert stats["latency"]["call"]["count"] == begun


def test_histograms_count_the_requests(one: AutoModel) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: one.generate([CLIP, CLIP]), range(20)))
    stats = one.stats()
    latency = stats["latency"]
    for stage in ("decode", "queue", "text"):
        assert latency[stage]["count"] == 40, stage
    assert latency["call"]["count"] == 20
    assert latency["compute"]["count"] == stats["batches"]
    assert latency["live_queue"]["count"] == latency["live_compute"]["count"] == 0
    seconds = 40 * len(CLIP) / 16000
    assert stats["audio_in_seconds"] == pytest.approx(seconds, abs=1e-3)
    assert stats["audio_out_seconds"] == pytest.approx(seconds, abs=1e-3)
    for found in latency.values():
        counts = [count for _, count in found["buckets"]]
        assert counts == sorted(counts)
        assert counts[-1] <= found["count"]
        bounds = [bound for bound, _ in found["buckets"]]
        assert all(b == 2 * a for a, b in pairwise(bounds))
    assert latency["call"]["p50_s"] <= latency["call"]["p95_s"]
    part = stats["parts"]["model"]
    assert part["requests"] == 40
    assert part["batches"] == stats["batches"]
    assert part["weights_bytes"] > 100_000
    assert stats["memory"]["weights_bytes"] == part["weights_bytes"]
    assert stats["memory"]["resident_bytes"] > 10_000_000


def test_times_are_what_they_are(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(max_batch_size=1)
    first, second = model.submit(CLIP), model.submit(CLIP)
    until(first.running)
    time.sleep(0.3)
    gate.open()
    second.result(30)
    first.result(30)
    latency = model.stats()["latency"]
    assert 0.6 <= latency["queue"]["sum_s"] + latency["compute"]["sum_s"] < 30
    assert latency["compute"]["sum_s"] >= 0.3
    assert latency["queue"]["p95_s"] > 0.1
    assert latency["call"]["sum_s"] >= 0.6


def test_a_submitted_call_is_counted_when_its_answer_is_there(one: AutoModel) -> None:
    for i in range(200):
        one.submit(CLIP).result(30)
        assert one.stats()["calls"]["answered"] == i + 1


def test_errors_by_kind(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(queue_size=4, max_batch_size=1)
    running = model.submit(CLIP)
    until(running.running)
    with pytest.raises(DeadlineExceededError):
        model.generate(CLIP, timeout=0.05)
    waiting = fill(model)
    assert all(future.cancel() for future in waiting)
    gate.open()
    assert running.result(30)
    assert isinstance(model.submit("missing.wav", on_error="return").result()[0]["error"], OSError)
    model.close()
    with pytest.raises(EngineClosedError):
        model.generate(CLIP)
    with pytest.raises(EngineClosedError):
        model.stream()
    stats = model.stats()
    assert stats["errors"] == {
        "QueueFullError": 1,
        "DeadlineExceededError": 1,
        "AudioFileNotFoundError": 1,
        "EngineClosedError": 2,
    }
    assert stats["refused"] == 3
    others = len(waiting)
    assert calls_of(model) == (5 + others, 2, 3, others)


def test_a_network_that_fails_is_named(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    gate.open()
    model = gated_model()
    loud = CLIP * np.float32(1e30)
    future = model.submit([CLIP, loud])
    assert future.exception(30) is not None
    assert future.exception(30) is not None  # asked twice, counted once
    name = type(future.exception()).__name__
    assert model.stats()["errors"] == {name: 1}
    assert calls_of(model) == (1, 0, 1, 0)


def test_on_asyncio(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(max_batch_size=1)

    async def run() -> None:
        task = asyncio.create_task(model.agenerate(CLIP))
        while model.stats()["busy_workers"] == 0:
            await asyncio.sleep(0.01)
        late = asyncio.create_task(model.agenerate(CLIP, timeout=0.05))
        with pytest.raises(DeadlineExceededError):
            await late
        dropped = asyncio.create_task(model.agenerate(CLIP))
        await asyncio.sleep(0.05)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        with pytest.raises(OptionError):
            await model.agenerate(CLIP, fs="fast")
        gate.open()
        assert await task

    asyncio.run(run())
    assert calls_of(model) == (4, 1, 2, 1)
    assert model.stats()["errors"] == {"DeadlineExceededError": 1, "OptionError": 1}


def test_recordings_and_their_parts() -> None:
    with AutoModel(model="demo", vad_model="demo-vad", punc_model="demo-punc") as model:
        wave = speech(8.0)
        model.generate(wave, disable_pbar=True)
        sentences = list(model.generate_iter(wave))
        with model.generate_iter(wave) as left:
            next(left)
        model.generate_iter(wave)  # never looked at
        gc.collect()
        with pytest.raises(OptionError):
            model.generate_iter(wave, fs="fast")
        assert sentences
        assert model.vad_model is not None
        with pytest.raises(AudioError):
            model.vad_model.generate(BAD, disable_pbar=True)
        model.close()
        stats = model.stats()
    assert calls_of(model) == (6, 2, 2, 2)
    assert set(stats["parts"]) == {"model", "vad_model", "punc_model"}
    assert stats["parts"]["vad_model"]["requests"] >= 3
    assert stats["parts"]["model"]["queue"]["count"] >= 1
    assert stats["latency"]["queue"]["count"] == sum(
        part["requests"] for part in stats["parts"].values()
    )
    assert 2 <= stats["latency"]["decode"]["count"] <= 3
    assert 16.0 <= stats["audio_in_seconds"] <= 24.1
    assert stats["audio_out_seconds"] == pytest.approx(16.0, abs=0.01)
    assert stats["latency"]["text"]["count"] == 2


def test_existing_keys_are_there(one: AutoModel) -> None:
    one.generate(CLIP)
    stats = one.stats()
    for name in ("workers", "busy_workers", "queue_size", "waiting", "submitted", "completed"):
        assert isinstance(stats[name], int)
    assert sum(stats["queue_time_us_log2"]) == stats["latency"]["queue"]["count"] == 1
    assert stats["queue_seconds"] == stats["latency"]["queue"]["sum_s"]
    assert stats["devices"][0]["device"] == "cpu"
