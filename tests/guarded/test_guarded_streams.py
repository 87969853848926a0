"""Live streams of guarded models: their state stays with the copy that has it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AutoModel,
    InferenceError,
    OptionError,
    UnsupportedModelError,
    WorkerCrashedError,
)
from support.audio import Samples

Make = Callable[..., AutoModel]
ISOLATIONS = pytest.mark.parametrize(
    "options", [{}, {"isolation": "process", "workers": 2}], ids=["thread", "process"]
)


def piece(length: int) -> Samples:
    return np.ones(length, np.float32)


@ISOLATIONS
def test_streams_and_caches(make: Make, live_dir: Path, options: dict[str, Any]) -> None:
    model = make(live_dir, **options)

    def by_stream(step: int) -> list[str]:
        with model.stream() as stream:
            said = [stream.feed(piece(step))["text"] for _ in range(5)]
            assert stream.text == "".join(said)
            return [*said, stream.finish(piece(1))["text"]]

    def by_cache(step: int) -> list[str]:
        cache: dict[str, Any] = {}
        said = [
            model.generate(piece(step), cache=cache, is_final=False)[0]["text"] for _ in range(5)
        ]
        return [*said, model.generate(piece(1), cache=cache, is_final=True)[0]["text"]]

    def whole(step: int) -> list[str]:
        return [model.generate(piece(step), is_final=True)[0]["text"]]

    def expected(step: int) -> list[str]:
        return [*(f"{step * n}," for n in range(1, 6)), f"{step * 5 + 1}."]

    with ThreadPoolExecutor(12) as pool:
        found = list(
            pool.map(lambda step: (by_stream(step), by_cache(step), whole(step)), range(10, 34))
        )
    for step, (stream, cached, alone) in zip(range(10, 34), found, strict=True):
        assert stream == cached == expected(step)
        assert alone == [f"{step}."]


@ISOLATIONS
def test_a_chunk_that_fails_never_came(make: Make, live_dir: Path, options: dict[str, Any]) -> None:
    model = make(live_dir, **options)
    cache: dict[str, Any] = {}
    assert model.generate(piece(10), cache=cache)[0]["text"] == "10,"
    with pytest.raises(OptionError, match="options hold for a whole stream"):
        model.generate(piece(5), cache=cache, act="key error")
    stream = model.stream(act="key error")
    for _ in range(2):
        with pytest.raises(InferenceError):
            stream.feed(piece(5))
    assert model.generate(piece(2), cache=cache, is_final=True)[0]["text"] == "12."


def test_a_stream_whose_process_is_gone(make: Make, live_dir: Path) -> None:
    model = make(live_dir, isolation="process", max_calls=1)
    with model.stream() as lost, model.stream(act="crash") as crashing:
        assert lost.feed(piece(10))["text"] == "10,"
        assert lost.feed(piece(10))["text"] == "20,"  # max_calls waits for its end
        with pytest.raises(WorkerCrashedError, match="status 7"):
            crashing.feed(piece(1))
        with pytest.raises(WorkerCrashedError, match="begin a new one"):
            lost.feed(piece(10))
    with model.stream() as new:
        assert new.feed(piece(3))["text"] == "3,"


def test_models_without_a_cache(in_thread: AutoModel) -> None:
    with pytest.raises(UnsupportedModelError):
        in_thread.stream()
    # FunASR's own examples give one to every model.
    assert in_thread.generate(piece(3), cache={})[0]["text"].startswith("3 3.000")
