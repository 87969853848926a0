"""Buffers: memoryviews and arrays of any format, shape and order of bytes."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio
from safeasr.inputs.expand import expand_inputs
from support.audio import speech
from support.containers import sndfile_bytes

SPEECH = speech(10.0, seed=5)


def test_buffers_are_what_their_format_says() -> None:
    wave = SPEECH[:4000]
    ints = (wave * 32767).astype(np.int16)
    expected = ints.astype(np.float32) / 32768
    for samples, want in (
        (memoryview(wave), wave),
        (memoryview(wave.astype(np.float64)), wave),
        (memoryview(wave.astype(">f4")), wave),
        (memoryview(ints), expected),
        (memoryview(ints.astype(">i2")), expected),
        (memoryview(ints.astype("<i2").view("=i2")), expected),
        (memoryview(ints.astype(np.int32) << 16), expected),
        (memoryview(np.repeat(wave, 2))[::2], wave),
        (memoryview(np.repeat(ints, 3))[::3], expected),
        (memoryview(wave[::-1])[::-1], wave),
        (memoryview(np.stack([wave, wave])), wave),
        (memoryview(np.stack([ints, ints], 1)), expected),
        (memoryview(wave.astype(np.float16)), wave.astype(np.float16).astype(np.float32)),
        (array.array("f", wave), wave),
        (array.array("d", wave), wave),
        (array.array("h", ints), expected),
        (wave.astype(">f4"), wave),
        (ints.astype(">i2"), expected),
        (np.repeat(ints.astype(">i2"), 2)[::2], expected),
    ):
        for one in (load_audio(samples), expand_inputs([samples])[0].load()):
            np.testing.assert_allclose(one, want, atol=1e-7)
    data = sndfile_bytes("FLAC", wave, 16000)
    for encoded in (
        memoryview(data),
        memoryview(np.frombuffer(data, np.int8)),
        memoryview(data).cast("c"),
        memoryview(np.repeat(np.frombuffer(data, np.uint8), 2))[::2],
        memoryview(np.frombuffer(data + bytes(-len(data) % 4), np.uint8).reshape(-1, 4)),
        array.array("B", data),
    ):
        assert np.abs(load_audio(encoded)[:3000] - wave[:3000]).max() < 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        memoryview(np.arange(4)),
        memoryview(np.arange(4, dtype=np.uint16)),
        memoryview(np.array([True])),
        memoryview(np.array([1j])),
        memoryview(np.zeros((2, 2, 2), np.float32)),
        memoryview(np.zeros((3, 40), np.float32).T[:0]),
        array.array("q", [1]),
        memoryview(np.array([np.nan], np.float32)),
    ],
    ids=lambda view: f"{getattr(view, 'format', 'q')}",
)
def test_buffers_that_are_no_samples(wrong: Any) -> None:
    with pytest.raises(AudioError):
        load_audio(wrong)


def test_a_released_buffer() -> None:
    view = memoryview(SPEECH[:100].tobytes())
    view.release()
    with pytest.raises(AudioError, match="released"):
        load_audio(view)


def test_a_stream_takes_buffers_by_their_format(make_model: Callable[..., AutoModel]) -> None:
    model = make_model("demo-streaming")
    wave = SPEECH[:32000]
    texts = []
    ints = (wave * 32767).astype(np.int16)
    for samples in (ints, memoryview(ints), memoryview(ints.astype(">i2")), ints.tobytes()):
        with model.stream() as stream:
            texts.append(stream.finish(samples)["text"])
    assert len(set(texts)) == 1
    with model.stream() as stream, pytest.raises(AudioError, match="no known full scale"):
        stream.feed(memoryview(np.arange(9)))
