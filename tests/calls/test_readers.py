"""Reading audio for asyncio: what waits for a network holds up nothing else, and ends when told."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, DeadlineExceededError, ForkedProcessError
from support.audio import speech
from support.processes import exit_code_of
from support.waiting import until_async
from support.web import Server, serve

CLIP = speech(1.0)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        yield server


def downloads_under_way() -> int:
    """Threads that read from the network now; idle ones wait in a queue."""
    import sys
    import traceback

    frames = sys._current_frames()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return sum(
        any(one.name == "download" for one in traceback.extract_stack(frame))
        for ident, frame in frames.items()
        if names.get(ident, "").startswith("safeasr-download")
    )


@pytest.mark.asyncio
async def test_slow_servers_hold_up_nothing_at_hand(
    model: AutoModel, web: Server, tmp_path: Path
) -> None:
    """Not the program's own work on asyncio's threads either."""
    expected = model.generate(CLIP, key="k")
    slow = [asyncio.ensure_future(model.agenerate(f"{web.url}/silent")) for _ in range(70)]
    slow.append(asyncio.ensure_future(model.agenerate([CLIP, f"{web.url}/silent"])))
    slow.append(asyncio.ensure_future(model.agenerate(f"{web.url}/slow.scp")))
    await until_async(lambda: len(web.asked) >= 20)
    assert await model.agenerate(CLIP, key="k") == expected
    assert await asyncio.get_running_loop().run_in_executor(None, lambda: 5) == 5
    assert not any(one.done() for one in slow)
    for one in slow:
        one.cancel()
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(one) for one in outcomes} == {asyncio.CancelledError}
    await until_async(lambda: downloads_under_way() == 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/silent", "/slow-body", "/slow-header", "/slow.scp"])
async def test_a_deadline_ends_the_download(model: AutoModel, web: Server, path: str) -> None:
    before = model.stats()["submitted"]
    with pytest.raises(DeadlineExceededError):
        await model.agenerate(web.url + path, timeout=0.3)
    await until_async(lambda: downloads_under_way() == 0)
    assert model.stats()["submitted"] == before


@pytest.mark.asyncio
async def test_a_deadline_counts_while_all_threads_are_busy(model: AutoModel, web: Server) -> None:
    slow = [asyncio.ensure_future(model.agenerate(f"{web.url}/silent")) for _ in range(64)]
    await until_async(lambda: downloads_under_way() == 64)
    with pytest.raises(DeadlineExceededError):
        await model.agenerate(f"{web.url}/a.wav", timeout=0.2)
    for one in slow:
        one.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    assert "/a.wav" not in web.asked


@pytest.mark.asyncio
async def test_audio_from_a_server(model: AutoModel, web: Server) -> None:
    expected = model.generate(f"{web.url}/a.wav")
    assert await model.agenerate(f"{web.url}/a.wav") == expected
    assert await model.agenerate(f"{web.url}/a.wav", timeout=60) == expected


@pytest.mark.parametrize("path", ["/silent", "/slow-body", "/slow-header", "/slow.scp"])
def test_a_deadline_ends_the_download_of_calls_that_wait(
    model: AutoModel, web: Server, path: str
) -> None:
    for call in (model.generate, model.submit):
        begun = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            call(web.url + path, timeout=0.3)
        assert time.monotonic() - begun < 30  # of 50 and more that the server takes


def test_limits_of_downloads_are_options(make_model: Callable[..., AutoModel], web: Server) -> None:
    model = make_model(download_timeout=0.2, max_download_bytes=5000)
    for options, message in (
        ({}, r"longer than 0\.2 s"),
        ({"download_timeout": 0.1}, r"longer than 0\.1 s"),
    ):
        with pytest.raises(ValueError, match=message):
            model.generate(f"{web.url}/slow-unstated", **options)
    with pytest.raises(ValueError, match="larger than 5000 bytes"):
        model.generate(f"{web.url}/a.wav", download_timeout=30)
    large = {"download_timeout": None, "max_download_bytes": 10_000}
    assert model.generate(f"{web.url}/a.wav", **large)[0]["key"] == "a"


@pytest.mark.parametrize(
    "timeout", [float("inf"), 1e10, 1e300, 10**300, np.float32(60), np.float64(60), np.int64(60)]
)
def test_time_limits_of_any_type_and_size(timeout: Any) -> None:
    """With a detector beside the model too: it waits in ways of its own."""
    options: dict[str, Any] = {"disable_pbar": True, "timeout": timeout}
    with AutoModel("demo", vad_model="demo-vad", **options) as model:
        expected = model.generate(CLIP, key="k")
        assert model.generate(CLIP, key="k", timeout=timeout) == expected
        assert model.submit(CLIP, key="k", timeout=timeout).result(timeout) == expected
        assert asyncio.run(model.agenerate(CLIP, key="k", timeout=timeout)) == expected
    with AutoModel("demo-streaming", **options) as model, model.stream(timeout=timeout) as stream:
        stream.feed(CLIP, timeout=timeout)
        asyncio.run(stream.afeed(CLIP, True, timeout=timeout))


@pytest.mark.parametrize("timeout", [float("nan"), "5", [5], True])
def test_time_limits_that_are_none(model: AutoModel, timeout: Any) -> None:
    for call in (model.generate, model.submit):
        with pytest.raises(ValueError, match="timeout must be a number of seconds"):
            call(CLIP, timeout=timeout)
    with pytest.raises(ValueError, match="timeout must be a number of seconds"):
        asyncio.run(model.agenerate(CLIP, timeout=timeout))


def test_in_a_forked_process(model: AutoModel) -> None:
    """The threads stayed in the parent: nobody waits for them."""
    asyncio.run(model.agenerate(CLIP))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(model.agenerate(CLIP, timeout=20))
        except ForkedProcessError:
            code = 0
        finally:
            os._exit(code)
    assert exit_code_of(child) == 0
