"""Live streams and their chunks are counted as calls are."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from safeasr import AudioError, AutoModel, QueueFullError
from safeasr.observability.observer import Observer
from safeasr.stream.stream import Stream
from support.audio import speech
from support.slow_pipeline import Slow
from support.two_pass import events_of

CHUNK = np.zeros(9600, dtype=np.float32)


@pytest.fixture
def streaming() -> Iterator[AutoModel]:
    with AutoModel(model="demo-streaming", num_workers=2, disable_pbar=True) as model:
        yield model


def chunks_of(found: dict[str, Any]) -> tuple[int, int, int, int]:
    chunks = found["chunks"]
    return chunks["begun"], chunks["answered"], chunks["failed"], chunks["cancelled"]


def test_chunks_of_many_streams(streaming: AutoModel) -> None:
    wave = speech(3.0)

    def session(i: int) -> None:
        with streaming.stream(key=f"s{i}") as stream:
            for at in range(0, len(wave), 9600):
                stream.feed(wave[at : at + 9600], at + 9600 >= len(wave))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(session, range(16)))
    stats = streaming.stats()
    count = 16 * 5
    assert chunks_of(stats) == (count, count, 0, 0)
    assert stats["calls"]["begun"] == 0
    assert stats["streams"] == {"open": 0, "opened": 16}
    latency = stats["latency"]
    for stage in ("chunk", "chunk_turn", "live_queue", "queue"):
        assert latency[stage]["count"] == count, stage
    assert latency["live_compute"]["count"] == latency["compute"]["count"] > 0
    assert stats["audio_in_seconds"] == pytest.approx(48.0, abs=0.01)
    assert stats["audio_out_seconds"] == pytest.approx(48.0, abs=0.01)


def test_open_streams(streaming: AutoModel) -> None:
    first, second = streaming.stream(), streaming.stream()
    assert streaming.stats()["streams"] == {"open": 2, "opened": 2}
    assert streaming.stats()["lanes"] == 2
    first.close()
    first.close()
    assert streaming.stats()["streams"]["open"] == 1
    del second
    gc.collect()
    assert streaming.stats()["streams"] == {"open": 0, "opened": 2}


def test_a_stream_that_was_refused(streaming: AutoModel) -> None:
    with AutoModel(model="demo-streaming", max_streams=1, num_workers=1) as model:
        with model.stream(), pytest.raises(QueueFullError):
            model.stream()
        stats = model.stats()
        assert stats["streams"] == {"open": 0, "opened": 1}
        assert stats["errors"] == {"QueueFullError": 1}


def test_what_becomes_of_chunks() -> None:
    slow, observer = Slow(), Observer()
    stream = Stream(slow.pipeline, max_pending=2, watch=observer.stream("k"))
    first, second, third = (stream.submit(CHUNK + i) for i in range(3))
    with pytest.raises(QueueFullError):
        stream.submit(CHUNK)
    with pytest.raises(AudioError):
        stream.submit("text")
    assert second.cancel()
    slow.finish("text")
    assert first.result(10) == "text"
    slow.finish(RuntimeError("broken"))
    with pytest.raises(RuntimeError):
        third.result(10)
    fourth, fifth = stream.submit(CHUNK), stream.submit(CHUNK)
    stream.close()
    assert fifth.cancelled()
    slow.finish("more")
    assert fourth.result(10) == "more"
    with pytest.raises(ValueError, match="closed"):
        stream.submit(CHUNK)
    stats = observer.stats()
    assert chunks_of(stats) == (8, 2, 4, 2)
    assert stats["errors"] == {
        "QueueFullError": 1,
        "AudioError": 1,
        "RuntimeError": 1,
        "ValueError": 1,
    }
    assert stats["latency"]["chunk_turn"]["count"] == 3
    assert stats["audio_in_seconds"] == pytest.approx(3 * 0.6, abs=1e-4)
    assert stats["audio_out_seconds"] == pytest.approx(2 * 0.6, abs=1e-4)


def test_two_passes() -> None:
    with AutoModel(model="demo", num_workers=2, disable_pbar=True) as model:
        wave = np.concatenate([speech(4.0), np.zeros(16000, np.float32)])
        assert events_of(model, wave)
        stats = model.stats()
        fed = -(-len(wave) // 9600)
        assert chunks_of(stats) == (fed, fed, 0, 0)
        assert stats["streams"] == {"open": 0, "opened": 1}
        assert set(stats["parts"]) == {"model", "vad_model", "online_model"}
        assert stats["parts"]["vad_model"]["requests"] == fed
        assert stats["latency"]["live_queue"]["count"] == stats["latency"]["queue"]["count"]


def test_on_asyncio(streaming: AutoModel) -> None:
    async def run() -> None:
        async with streaming.stream() as stream:
            await asyncio.gather(*(stream.afeed(CHUNK) for _ in range(5)))
            await stream.afinish()

    asyncio.run(run())
    assert chunks_of(streaming.stats()) == (6, 6, 0, 0)


def test_sessions_in_a_cache_are_calls(streaming: AutoModel) -> None:
    cache: dict[str, Any] = {}
    for _ in range(3):
        streaming.generate(CHUNK, cache=cache, is_final=False)
    stats = streaming.stats()
    assert stats["calls"]["answered"] == 3
    assert stats["lanes"] == 1
    assert stats["streams"]["opened"] == 0
    assert stats["latency"]["live_queue"]["count"] == 3
    assert stats["audio_in_seconds"] == pytest.approx(1.8, abs=1e-3)
