"""Raw samples: what is taken for them, with what word, and what is not."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from safeasr import AutoModel
from safeasr.errors import AudioError, UnsupportedModelError
from safeasr.inputs.audio import load_audio
from safeasr.inputs.expand import expand_inputs
from safeasr.inputs.pcm import decode_pcm16, looks_like_pcm16
from support.audio import speech
from support.containers import sndfile_bytes

SPEECH = speech(60.0, seed=5)
LATER = "looks like raw 16-bit samples"


def pcm(wave: np.ndarray) -> bytes:
    return (wave * 32767).clip(-32768, 32767).astype("<i2").tobytes()


def pieces(count: int, least: int = 64) -> Iterator[bytes]:
    """Speech of all rates and levels, noise and silence, in pieces of all lengths."""
    rng = np.random.default_rng(2)
    rates = {rate: soxr.resample(SPEECH, 16000, rate) for rate in (8000, 16000, 48000)}
    for number in range(count):
        wave = rates[int(rng.choice(list(rates)))]
        length = int(10 ** rng.uniform(np.log10(least), 4.5))
        begin = int(rng.integers(0, len(wave) - length))
        level = 10 ** rng.uniform(-2.5, 0.3)
        if number % 4 < 2:
            yield pcm(level * wave[begin : begin + length])
        elif number % 4 == 2:
            yield pcm(0.2 * level * rng.standard_normal(length))
        else:
            silent = np.zeros(length, np.float32)
            silent[length // 2 :] = wave[begin : begin + length - length // 2]
            yield pcm(silent if number % 8 == 3 else 0 * silent)


def test_pieces_of_sound_are_known() -> None:
    missed = sum(not looks_like_pcm16(data) for data in pieces(2000))
    assert missed <= 10, f"{missed} of 2,000"


def test_sound_is_never_taken_for_a_container() -> None:
    """Not even if it begins with what an MP3, AAC or AC3 begins with; with and without a word."""
    rng = np.random.default_rng(3)
    starts = [
        b"",
        b"",
        b"\xff\xfb",
        b"\xff\xf1",
        b"\xff\xe3",
        b"\xff\xff",
        b"\x0b\x77",
        b"\x01\x04",
    ]
    for number, data in enumerate(pieces(800, least=500)):
        data = starts[int(rng.integers(len(starts)))] + data
        expected = decode_pcm16(data)
        np.testing.assert_array_equal(load_audio(data, fs=16000), expected)
        if number % 5 == 0 and looks_like_pcm16(data):
            with pytest.warns(UserWarning, match=LATER):
                np.testing.assert_array_equal(load_audio(data), expected)


def test_random_bytes_are_neither_audio_nor_samples() -> None:
    rng = np.random.default_rng(4)
    starts = [
        b"",
        b"\xff\xfb",
        b"\xff\xf1",
        b"\xff\xe3",
        b"\xff\xff",
        b"\x0b\x77",
        b"\x01\x04",
        b"G",
    ]
    for number in range(600):
        size = int(10 ** rng.uniform(2, 4.5)) // 2 * 2
        data = (starts[number % len(starts)] + rng.bytes(size))[:size]
        with pytest.raises(AudioError, match="cannot be decoded"):
            load_audio(data)
        if number % 3 == 0:  # the caller's word is stronger than their look
            np.testing.assert_array_equal(load_audio(data, fs=16000), decode_pcm16(data))


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.wav", sndfile_bytes("WAV", SPEECH[:16000], 16000))
    return file.getvalue()


def database(tmp_path: Path) -> bytes:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as made:
        made.execute("create table a (b)")
    made.close()
    return path.read_bytes()


def saved(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


PROSE = "The requested page does not exist. Please try again later. "
#: What a server answers in place of audio, and what its message calls it.
STRANGERS: dict[str, tuple[bytes, str]] = {
    "json": (json.dumps({"error": "not found", "code": 404}).encode() * 3, "JSON"),
    "json list": (b'[{"a": 1}]' * 20, "JSON"),
    "html": (b"<!DOCTYPE html>\n<html><body>404</body></html>" * 4, "HTML"),
    "html later": (b"\n\n  <HTML lang='de'><p>nichts</p></HTML>" * 4, "HTML"),
    "xml": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML"),
    "prose": (PROSE.encode() * 20, "text"),
    "short": (b"Not found.", "text"),
    "two letters": (b"no", "text"),
    "chinese": (("今天天气很好。" * 20).encode(), "text"),
    "utf-16": (PROSE.encode("utf-16"), "text"),
    "utf-16 bare": (PROSE.encode("utf-16-le"), "text"),
    "utf-16 big": (PROSE.encode("utf-16-be"), "text"),
    "utf-32": (PROSE.encode("utf-32"), "text"),
    "mark": (b"\xef\xbb\xbf" + PROSE.encode(), "text"),
    "csv": (b"time,value\n0.1,2\n0.2,3\n" * 30, "text"),
    "base64": (b"UklGRiQAAABXQVZFZm10IBAAAAABAAEA" * 20, "text"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12", "Git LFS"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + zlib.compress(PROSE.encode() * 9), "PDF"),
    "zip": (archive(), "ZIP"),
    "gzip": (gzip.compress(pcm(SPEECH[:16000])), "gzip"),
    "bzip2": (bz2.compress(pcm(SPEECH[:16000])), "bzip2"),
    "xz": (lzma.compress(pcm(SPEECH[:16000])), "xz"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + zlib.compress(PROSE.encode() * 9), "PNG"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + np.random.default_rng(0).bytes(900), "JPEG"),
    "gif": (b"GIF89a" + np.random.default_rng(1).bytes(900), "GIF"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(900), "program"),
    "numpy": (saved((SPEECH[:8000] * 9000).astype(np.int16)), "numpy.load"),
    "pickle": (pickle.dumps({"a": SPEECH[:900]}), "pickle"),
    "wav": (b"S" + sndfile_bytes("WAV", SPEECH[:16000], 16000)[1:], "damaged WAV"),
    "aiff": (b"S" + sndfile_bytes("AIFF", SPEECH[:16000], 16000)[1:], "damaged AIFF"),
    "caf": (b"S" + sndfile_bytes("CAF", SPEECH[:16000], 16000)[1:], "damaged CAF"),
}


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("even", [True, False], ids=["even", "as it is"])
@pytest.mark.parametrize("fs", [None, 16000])
def test_a_failure_is_never_answered_as_text(
    tmp_path: Path, name: str, even: bool, fs: int | None
) -> None:
    data, words = STRANGERS[name]
    if even:
        data = data[: len(data) // 2 * 2]
    path = tmp_path / "answer.wav"
    path.write_bytes(data)
    (tmp_path / "answer.pcm").write_bytes(data)
    for way in (
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        path,
        tmp_path / "answer.pcm",
    ):
        with pytest.raises(AudioError, match=f"seems to be .*{words}"):
            load_audio(way, fs=fs)
    if len(data) % 2 == 0:  # unless the caller knows better
        np.testing.assert_array_equal(load_audio(data, is_pcm=True), decode_pcm16(data))


def test_a_database_is_none(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="SQLite"):
        load_audio(database(tmp_path))


def _others() -> dict[str, bytes]:
    wave = SPEECH[16000:48000]
    return {
        "float32": wave.astype("<f4").tobytes(),
        "float64": wave.astype("<f8").tobytes(),
        "int32": (wave * 2.0**30).astype("<i4").tobytes(),
        "big-endian": (wave * 9000).astype(">i2").tobytes(),
        "8 bits": (wave * 100 + 128).astype(np.uint8).tobytes(),
        "half a sample late": b"\1" + pcm(wave)[:-1],
        "compressed": zlib.compress(PROSE.encode() * 999 + pcm(wave)),
        "latin-1": ("déjà vu, größe, señor. " * 90).encode("latin-1")[:2000],
        "gbk": ("今天天气很好，我们去公园玩吧。" * 90).encode("gbk")[:2000],
        "numbers": np.arange(2000).astype("<i4").tobytes(),
    }


@pytest.mark.parametrize("name", _others())
def test_other_numbers_are_not_taken_for_16_bits(name: str) -> None:
    data = _others()[name]
    with pytest.raises(AudioError, match='need data_type="pcm"'):
        load_audio(data)


def test_words_that_make_bytes_samples(tmp_path: Path) -> None:
    data = pcm(SPEECH[:20000])
    expected = decode_pcm16(data)
    path = tmp_path / "no.ending"
    path.write_bytes(data)
    (tmp_path / "A.PCM").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for way in (data, path, str(path), io.BytesIO(data), bytearray(data)):
            np.testing.assert_array_equal(load_audio(way, is_pcm=True), expected)
        np.testing.assert_array_equal(load_audio(data, fs=16000), expected)
        np.testing.assert_array_equal(load_audio(tmp_path / "A.PCM"), expected)
        np.testing.assert_array_equal(load_audio(data, allow_empty=True), expected)
        assert len(load_audio(data, fs=8000)) == len(load_audio(data, 8000, is_pcm=True)) == 40000
    with pytest.warns(UserWarning, match=LATER) as caught:
        np.testing.assert_array_equal(load_audio(data), expected)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    for way in (path, io.BytesIO(data)):
        with pytest.raises(
            AudioError, match='seems to be raw 16-bit samples: say so by data_type="pcm"'
        ):
            load_audio(way)
    with pytest.raises(AudioError, match="not whole samples"):
        load_audio(data[1:], is_pcm=True)


def test_a_container_by_a_pcm_name_is_one_still(tmp_path: Path) -> None:
    """As in FunASR, which looks into the file first."""
    path = tmp_path / "a.pcm"
    path.write_bytes(sndfile_bytes("FLAC", SPEECH[:16000], 16000))
    np.testing.assert_allclose(load_audio(path), SPEECH[:16000], atol=2e-4)


def test_pcm_as_data_type(tmp_path: Path) -> None:
    data = pcm(SPEECH[:16000])
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    for input_ in (data, str(path), [data, str(path), path, io.BytesIO(data)]):
        for one in expand_inputs(input_, data_type="pcm"):
            np.testing.assert_array_equal(one.load(), decode_pcm16(data))
    array_ = expand_inputs(SPEECH, data_type="pcm")[0]
    assert array_.load() is SPEECH
    for wrong in (5, ("sound", "text"), ["pcm"], "PCM", b"pcm", 1.5, object()):
        with pytest.raises(UnsupportedModelError, match="data_type="):
            expand_inputs(data, data_type=wrong)


def test_pieces_of_streams_are_samples_by_definition(make_model: Callable[..., AutoModel]) -> None:
    """Also pieces that look like nothing, or like text; nobody is warned."""
    model = make_model("demo-streaming", disable_pbar=True)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache: dict[str, Any] = {}
        for piece in (rng.bytes(3200), b"not found " * 64, bytes(640), b"RIFF\0\0\0\0WAVE", b"ab"):
            model.generate(piece, cache=cache, is_final=False, chunk_size=[0, 10, 5])
        model.generate(b"", cache=cache, is_final=True, chunk_size=[0, 10, 5])
        with model.stream() as stream:
            for piece in (rng.bytes(3200), b"not found " * 64, b"ab", b""):
                stream.feed(piece)
            stream.finish()


def test_whole_calls(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    model = make_model("demo", disable_pbar=True)
    data = pcm(SPEECH[:32000])
    want = model.generate(decode_pcm16(data))[0]["text"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.generate(data, fs=16000)[0]["text"] == want
        assert model.generate(data, fs=np.float32(16000))[0]["text"] == want
        assert model.generate(data, data_type="pcm")[0]["text"] == want
        assert model.generate(io.BytesIO(data), data_type="pcm")[0]["text"] == want
    with pytest.warns(UserWarning, match=LATER) as caught:
        assert model.generate(data)[0]["text"] == want
    assert [one.filename for one in caught] == [__file__]
    with pytest.raises(AudioError, match="seems to be JSON"):
        model.generate(STRANGERS["json"][0])
    for wrong in (float("nan"), float("inf"), 0, -1, 16000.5, "16000", 10**400, 2**64, [16000]):
        with pytest.raises(ValueError, match="fs must be"):
            model.generate(data, fs=wrong)
