"""The embedded detector hears pauses as pauses in telephone band too, whose upper half is empty."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from safeasr import AutoModel
from support.funasr_model import funasr_model

MODELS = Path(str(resources.files("safeasr") / "models"))
RECORDINGS = [
    MODELS / "demo-streaming" / "audio" / "conversation.flac",
    MODELS / "demo-spk" / "audio" / "dialogue.flac",
]
RATE, NARROW = 16000, 8000
#: How far an edge may move for what the line takes from the voice, in ms.
NEAR = 200
Wave = NDArray[np.float32]


def band(wave: Wave) -> Wave:
    """Nothing but 300 to 3,400 Hz."""
    spectrum = np.fft.rfft(wave)
    at = np.fft.rfftfreq(len(wave), 1 / RATE)
    spectrum[(at < 300) | (at > 3400)] = 0
    return np.fft.irfft(spectrum, len(wave)).astype(np.float32)


def narrow(wave: Wave) -> Wave:
    half: Wave = soxr.resample(wave, RATE, NARROW)
    return half


def wide(wave: Wave) -> Wave:
    double: Wave = soxr.resample(wave, NARROW, RATE)
    return double


def law(wave: Wave) -> Wave:
    """8 bits a sample, as telephone exchanges send it."""
    file = io.BytesIO()
    soundfile.write(file, narrow(wave), NARROW, format="WAV", subtype="ULAW")
    file.seek(0)
    return wide(soundfile.read(file, dtype="float32")[0])


def rounded(wave: Wave) -> Wave:
    """What a file of 16 bits holds: rounding fills the empty band a little."""
    return (np.round(wave * 32767) / 32767).astype(np.float32)


LINES: dict[str, Callable[[Wave], Wave]] = {
    "band-pass": band,
    "band-pass, 16 bit": lambda wave: rounded(band(wave)),
    "8 kHz": lambda wave: wide(narrow(wave)),
    "8 kHz, 16 bit": lambda wave: rounded(wide(narrow(wave))),
    "mu-law": law,
}


@pytest.fixture(scope="module")
def detector() -> Iterator[AutoModel]:
    with AutoModel("demo-vad", disable_pbar=True) as model:
        yield model


def segments(model: Any, wave: Wave) -> list[list[int]]:
    found: list[list[int]] = model.generate(wave, max_end_silence_time=800)[0]["value"]
    return found


@pytest.mark.parametrize("line", list(LINES))
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_segments_of_telephone_band(detector: AutoModel, path: Path, line: str) -> None:
    wave, _ = soundfile.read(path, dtype="float32")
    full, found = segments(detector, wave), segments(detector, LINES[line](wave))
    assert len(found) == len(full)
    assert np.abs(np.array(found) - np.array(full)).max() <= NEAR


def test_funasr_says_the_same_of_telephone_band(detector: AutoModel) -> None:
    pytest.importorskip("funasr", reason="funasr is the reference")
    reference = funasr_model(model=str(MODELS / "demo-vad"))
    wave, _ = soundfile.read(RECORDINGS[0], dtype="float32")
    for line in LINES.values():
        narrowed = line(wave)
        assert segments(detector, narrowed) == segments(reference, narrowed)
