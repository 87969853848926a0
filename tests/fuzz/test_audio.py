"""Damaged recordings, in every container that can be made here, given in every way."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fuzz.judge import refusal
from fuzz.mutations import mutated
from safeasr import AudioError, AutoModel
from support.audio import speech
from support.audio_files import write_encoded

FOUND = sorted((Path(__file__).parent / "found" / "audio").glob("*.*"))


def _recordings(folder: Path) -> list[bytes]:
    """Half a second in many containers."""
    wave = speech(0.5, seed=1)
    found = []
    for kind in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64", "NIST", "VOC"):
        file = io.BytesIO()
        soundfile.write(file, wave, 16000, format=kind)
        found.append(file.getvalue())
    for ending in ("m4a", "webm", "wma", "mkv", "mov", "ts", "flv", "aac"):
        path = folder / f"clip.{ending}"
        write_encoded(path, wave, 16000)
        found.append(path.read_bytes())
    return found


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return _recordings(tmp_path_factory.mktemp("recordings"))


def source_of(data: bytes, way: str, folder: Path) -> object:
    """A recording in the way in which it is given."""
    if way == "bytes":
        return data
    if way == "path":
        path = folder / "upload"
        path.write_bytes(data)
        return path
    return {"file": io.BytesIO, "view": memoryview, "array": bytearray}[way](data)


def ask(model: AutoModel, data: bytes, way: str, folder: Path) -> object:
    """What the model says to a recording that comes in this way."""
    return refusal(model.generate, source_of(data, way, folder), key="k", timeout=60)


@given(data=st.data())
def test_damaged_recordings(
    model: AutoModel,
    recordings: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    """Whatever comes of it is the same however it is given.

    But for what nothing recognises and looks like samples: bytes are read as such, with a warning,
    for FunASR reads all bytes so; a file is refused with an error that says how to have it read.
    """
    encoded = data.draw(mutated(recordings))
    way = data.draw(st.sampled_from(["path", "file", "view", "array"]))
    folder = tmp_path_factory.getbasetemp()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        of_bytes = ask(model, encoded, "bytes", folder)
    if way in ("path", "file") and any("looks like raw" in str(one.message) for one in warned):
        with pytest.raises(AudioError, match="seems to be raw 16-bit samples: say so by"):
            model.generate(source_of(encoded, way, folder), key="k", timeout=60)
    else:
        assert ask(model, encoded, way, folder) == of_bytes


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
@pytest.mark.parametrize("way", ["path", "file", "bytes"])
def test_what_was_found(model: AutoModel, path: Path, way: str, tmp_path: Path) -> None:
    """Inputs that once brought something else than an answer or a typed error."""
    ask(model, path.read_bytes(), way, tmp_path)
