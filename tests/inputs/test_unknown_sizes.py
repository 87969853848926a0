"""Headers of recorders that stream: they do not say how much there is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio
from support.audio import speech
from support.containers import sndfile_bytes


def _with(data: bytes, *patches: tuple[int, bytes]) -> bytes:
    changed = bytearray(data)
    for place, new in patches:
        changed[place : place + len(new)] = new
    return bytes(changed)


def _streamed(name: str, data: bytes) -> dict[str, bytes]:
    """The file as it would have been left with each size that means nothing."""
    at = data.find({"AIFF": b"SSND"}.get(name, b"data"), 12)
    cases = {}

    def add(what: object, *patches: tuple[int, bytes]) -> None:
        cases[f"{name} {what}"] = _with(data, *patches)

    if name in ("WAV", "WAVEX"):
        for size in (0, 2**32 - 1, 2**31, 10**8):
            new = size.to_bytes(4, "little")
            add(size, (at + 4, new))
            add(f"{size} twice", (at + 4, new), (4, new))
    elif name == "RF64":
        for sizes in (bytes(24), b"\xff" * 24, bytes(16) + b"\xff" * 8):
            for begin in (b"RF64", b"BW64"):
                add(f"{begin!r} {sizes[:1]!r}", (data.index(b"ds64") + 8, sizes), (0, begin))
    elif name == "AIFF":
        frames = data.index(b"COMM") + 10
        for size in (0, 8, 2**32 - 1):
            new = size.to_bytes(4, "big")
            add(size, (at + 4, new))
            add(f"{size} frames", (at + 4, new), (frames, bytes(4)))
            add(f"{size} all", (at + 4, new), (frames, bytes(4)), (4, new))
    elif name == "CAF":
        for size in (0, 2**64 - 1, 10**9):
            add(size, (at + 4, size.to_bytes(8, "big")))
    elif name == "AU":
        for size in (0, 2**32 - 1, 10**8):
            add(size, (8, size.to_bytes(4, "big" if data[:4] == b".snd" else "little")))
    else:
        for size in (0, 24, 2**63 - 1, 2**64 - 1, 10**9):
            add(size, (at + 16, size.to_bytes(8, "little")))
    return cases


NAMES = ["WAV", "WAVEX", "RF64", "AIFF", "CAF", "AU", "W64"]
WAVE = speech(1.0)
STEREO = np.stack([WAVE, 0.5 * WAVE], axis=1)
CASES = [
    pytest.param(wave, name, what, id=f"{what} x {wave.ndim}")
    for wave in (WAVE, STEREO)
    for name in NAMES
    for what in _streamed(name, sndfile_bytes(name, wave, 16000))
]


@pytest.mark.parametrize(("wave", "name", "what"), CASES)
def test_all_that_is_there_is_read(tmp_path: Path, wave: np.ndarray, name: str, what: str) -> None:
    whole = sndfile_bytes(name, wave, 16000)
    streamed = _streamed(name, whole)[what]
    path = tmp_path / "streamed"
    path.write_bytes(streamed)
    for way in (path, streamed, io.BytesIO(streamed)):
        np.testing.assert_allclose(load_audio(way), load_audio(whole), atol=2.0**-15)


def test_a_wav_without_samples_stays_empty() -> None:
    empty = sndfile_bytes("WAV", np.zeros(0, np.float32), 16000)
    for data in (empty, empty + b"LIST\x04\x00\x00\x00INFO"):
        with pytest.raises(AudioError, match=r"no samples|no sound"):
            load_audio(data)
