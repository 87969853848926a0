"""What may be fed to ``model.stream()``: all forms of samples, other rates; what is not samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from safeasr import AudioError, AutoModel
from support.audio import speech

pytest.importorskip("funasr", reason="funasr makes the model")
from support.streaming import SHAPES, pieces_of, safe_texts, write_streaming_dir

OPTIONS: dict[str, Any] = {
    "chunk_size": [0, 8, 4],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}


WAVE = speech(4, seed=41)


PIECES = pieces_of(WAVE, 5000)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streaming_dir(tmp_path_factory.mktemp("streaming"), SHAPES[1], 1)


@pytest.fixture(scope="module")
def model(directory: Path) -> Iterator[AutoModel]:
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as one:
        yield one


@pytest.fixture(scope="module")
def expected(model: AutoModel) -> tuple[str, ...]:
    """What FunASR's way to stream brings for PIECES, piece by piece."""
    texts = safe_texts(model, PIECES, OPTIONS)
    assert len("".join(texts)) > 10
    return texts


def test_every_form_of_samples(model: AutoModel) -> None:
    """Each equals the float array of the same samples."""
    coarse = (WAVE * 32767).astype(np.int16)
    floats = coarse.astype(np.float32) / 32768
    expected = safe_texts(model, pieces_of(floats, 5000), OPTIONS)
    forms: list[Callable[[Any], Any]] = [
        lambda w: w,
        lambda w: w.tobytes(),
        lambda w: bytearray(w.tobytes()),
        lambda w: memoryview(w.tobytes()),
        lambda w: (w / 32768).astype(np.float64),
        lambda w: torch.from_numpy(w),
        lambda w: torch.from_numpy(w).float() / 32768,
        lambda w: (w / 32768).tolist(),
        lambda w: np.repeat((w / 32768).astype(np.float32), 2)[::2],  # not contiguous
        lambda w: np.stack([w, w], axis=1),  # two equal channels
    ]
    for form in forms:
        stream = model.stream(**OPTIONS)
        got = [stream.feed(form(p), f)["text"] for p, f in pieces_of(coarse, 5000)]
        assert tuple(got) == expected
    for nothing in (b"", [], (), np.zeros(0, np.float32), torch.zeros(0)):
        assert model.stream(**OPTIONS).feed(nothing)["text"] == ""


def test_the_callers_buffer_is_its_own(model: AutoModel, expected: tuple[str, ...]) -> None:
    stream = model.stream(**OPTIONS)
    buffer = np.empty(5000, np.float32)
    answers = []
    for piece, final in PIECES:
        buffer[: len(piece)] = piece
        answers.append(stream.submit(buffer[: len(piece)], final))
        buffer[:] = 0.5
    assert tuple(a.result(60)["text"] for a in answers) == expected


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_another_rate(model: AutoModel, rate: int) -> None:
    """Resampled across chunks, without a seam: as the whole recording at once."""
    wave = speech(4, seed=3, rate=rate)
    whole = soxr.ResampleStream(rate, 16000, 1, dtype="float32").resample_chunk(wave, last=True)
    expected = "".join(safe_texts(model, [(whole, True)], OPTIONS))
    stream = model.stream(fs=rate, **OPTIONS)
    for size in (rate // 10, 777, len(wave)):
        for piece, final in pieces_of(wave, size):
            stream.feed(piece, final)
        joined = stream.text
        once = model.stream(**OPTIONS)
        once.feed(whole, True)
        assert joined == once.text
    assert expected


@pytest.mark.parametrize(
    "wrong",
    ["a.wav", Path("a.wav"), b"odd", None, 3, {"a": 1}, [1, 2], [[0.1], [0.2, 0.3]],
     np.full(10, np.nan, np.float32), np.zeros(3, np.complex64), np.zeros((2, 2, 2), np.float32),
     np.zeros((40, 50), np.float32), open],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_chunk_never_came(
    model: AutoModel, expected: tuple[str, ...], wrong: Any
) -> None:
    stream = model.stream(**OPTIONS)
    got = []
    for piece, final in PIECES:
        for call in (stream.feed, stream.submit, stream.finish, stream.push):
            with pytest.raises(AudioError):
                call(wrong)
        got.append(stream.feed(piece, final)["text"])
    assert tuple(got) == expected
