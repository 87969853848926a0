"""Bad input is refused with its name, and failures strike their cause alone."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AudioFileNotFoundError,
    AutoModel,
    InferenceError,
    SafeASRError,
)
from support.audio import speech

CLIP = speech(4.2, seed=2)


@pytest.fixture
def expected(model: AutoModel) -> str:
    text: str = model.generate(CLIP)[0]["text"]
    assert text
    return text


BAD: dict[str, tuple[Any, type[BaseException], str]] = {
    "text": ("hello world", AudioFileNotFoundError, "hello world"),
    "missing file": ("no/such/file.wav", AudioFileNotFoundError, "no/such/file.wav"),
    "empty array": (np.zeros(0, np.float32), AudioError, "empty|no samples|at least"),
    "NaN": (np.array([0.1, np.nan] * 400, np.float32), AudioError, "finite|NaN"),
    "infinite": (np.full(800, np.inf, np.float32), AudioError, "finite"),
    "0-d": (np.float32(3) * np.ones(()), AudioError, "shape|dimension|float"),
    "objects": (np.array([None, "x"], dtype=object), AudioError, "object"),
    "complex": (np.ones(800, np.complex64), AudioError, "complex"),
    "three dimensions": (np.ones((2, 3, 4), np.float32), AudioError, "shape"),
    "garbage": (b"RIFF\x10\0\0\0WAVEgarbage!", AudioError, "decode"),
    "odd bytes": (b"abc", AudioError, "16-bit PCM"),
    "a dict": ({"audio": 1}, AudioError, "dict"),
    "None": (None, AudioError, "NoneType"),
    "a number": (3, AudioError, "int"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_and_harms_nobody(model: AutoModel, expected: str, name: str) -> None:
    value, kind, message = BAD[name]
    with pytest.raises(kind, match=message) as caught:
        model.generate(value)
    assert isinstance(caught.value, SafeASRError)
    with pytest.raises(kind, match=message):
        model.submit(value)
    # In a list the message says which one it was.
    if not isinstance(value, (dict, type(None), int)):
        with pytest.raises(kind, match="input 1 "):
            model.generate([CLIP, value, CLIP])
    assert model.generate(CLIP)[0]["text"] == expected


def test_bad_files(model: AutoModel, expected: str, tmp_path: Path) -> None:
    empty, noise, text = (tmp_path / n for n in ("empty.wav", "noise.wav", "list.txt"))
    empty.write_bytes(b"")
    noise.write_bytes(bytes(range(256)) * 9)
    text.write_bytes(b"\xff\xfe broken")
    for path in (empty, noise, text, tmp_path):
        with pytest.raises(AudioError, match=re.escape(path.name)):
            model.generate(str(path))
    assert model.generate(CLIP)[0]["text"] == expected


def test_bad_options_of_a_call(model: AutoModel) -> None:
    with pytest.raises(ValueError, match="fs"):
        model.generate(CLIP, fs=-5)
    with pytest.raises(ValueError, match="2 keys were given for 1 inputs"):
        model.generate(CLIP, key=["a", "b"])
    with pytest.raises(SafeASRError, match="data_type"):
        model.generate(CLIP, data_type="video")


def test_one_bad_request_of_a_batch_fails_alone(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    """Callers who share a batch with one on whom the network fails get their right answers."""
    gate.open()
    model = gated_model(max_batch_size=8, max_wait_ms=100)
    rng = np.random.default_rng(0)
    good = [rng.standard_normal((20 + n, 560)).astype(np.float32) for n in range(7)]
    expected = [model.generate(g, data_type="fbank", key="k") for g in good]
    bad = good[3].copy()
    bad[5, 5] = 1e9
    before = model.stats()
    answers: dict[int, Any] = {}

    def call(index: int, features: Any) -> None:
        try:
            answers[index] = model.generate(features, data_type="fbank", key="k")
        except SafeASRError as error:
            answers[index] = error

    threads = [threading.Thread(target=call, args=one) for one in enumerate([*good, bad])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answers[n] for n in range(7)] == expected
    assert isinstance(answers[7], InferenceError)
    assert "a value is too large" in str(answers[7])
    stats = model.stats()
    assert stats["failed"] - before["failed"] == 1
    assert stats["retried_alone"] > 1, "the bad one was alone: nothing was shown"
