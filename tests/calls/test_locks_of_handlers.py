"""A signal handler that interrupts whoever holds a lock that others need is told so."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, InterruptedCallError
from safeasr.calls.dispatcher import STEPS
from support.punctuation import WHOLE_SHAPES, write_punc_dir

pytest.importorskip("funasr", reason="funasr makes the punctuation model")

#: Answered where all was done before it would have waited. Never a timeout, which is no answer.
ENDED = (["refused"], ["answered"])
WAVE = np.zeros(32000, np.float32)


def in_a_handler(lock: Any, call: Callable[[], object]) -> list[str]:
    """What becomes of a call in a signal handler that comes while this thread holds the lock."""
    told: list[str] = []

    def handler() -> None:
        try:
            call()
            told.append("answered")
        except InterruptedCallError:
            told.append("refused")

    before = signal.signal(signal.SIGUSR1, lambda *_: handler())
    try:
        with lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    return told


@pytest.fixture(scope="module")
def recordings() -> Iterator[AutoModel]:
    with AutoModel("demo", vad_model="demo-vad", timeout=5, disable_pbar=True) as model:
        yield model


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoModel]:
    path: Path = write_punc_dir(tmp_path_factory.mktemp("punc"), WHOLE_SHAPES[0])
    with AutoModel(str(path), timeout=5, disable_pbar=True) as model:
        yield model


def test_recordings(recordings: AutoModel) -> None:
    for lock in (STEPS._lock, recordings._recordings._lock):
        assert in_a_handler(lock, lambda: recordings.generate(WAVE)) in ENDED
        assert recordings.generate(WAVE)[0]["text"] == ""


def test_texts(texts: AutoModel) -> None:
    for lock in (STEPS._lock, texts._recordings._lock):
        assert in_a_handler(lock, lambda: texts.generate("hello world")) in ENDED
        assert texts.generate("hello world")[0]["text"]


def test_live_chunks(recordings: AutoModel) -> None:
    with recordings.stream(mode="offline") as stream:
        queue = stream._queue
        for lock in (STEPS._lock, queue._lock, queue._runs._lock):
            assert in_a_handler(lock, lambda: stream.feed(WAVE, timeout=5)) in ENDED
            assert stream.feed(WAVE, timeout=60) == []


def test_what_needs_no_lock(recordings: AutoModel) -> None:
    """The engine answers a whole utterance by itself."""
    with AutoModel("demo", timeout=5, disable_pbar=True) as model:
        assert in_a_handler(STEPS._lock, lambda: model.generate(WAVE)) == ["answered"]
