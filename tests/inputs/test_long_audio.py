"""How long a recording may be, whatever its header says."""

from __future__ import annotations

import io
import os
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AudioTooLongError, AutoModel
from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio
from support.audio import speech
from support.containers import ffmpeg_bytes, sndfile_bytes

WAVE = speech(30.0)
LIMIT = 20.0


def _forms() -> dict[str, Any]:
    pcm = (WAVE * 32767).astype("<i2").tobytes()
    return {
        "array": WAVE,
        "stereo": np.stack([WAVE, WAVE]),
        "tensor": torch.from_numpy(WAVE),
        "list": WAVE.tolist(),
        "buffer": memoryview(WAVE),
        "pcm": pcm,
        "wav": sndfile_bytes("WAV", WAVE, 16000),
        "flac": sndfile_bytes("FLAC", WAVE, 16000),
        "mp3": sndfile_bytes("MP3", WAVE, 16000),
        "wav of 48 kHz": sndfile_bytes("WAV", speech(30.0, rate=48000), 48000),
        "m4a": ffmpeg_bytes("ipod", "aac", WAVE, 16000),
        "aac": ffmpeg_bytes("adts", "aac", WAVE, 16000),
        "ts": ffmpeg_bytes("mpegts", "aac", WAVE, 16000),
    }


@pytest.fixture(scope="module")
def forms() -> dict[str, Any]:
    return _forms()


@pytest.mark.parametrize("name", list(_forms()))
def test_longer_than_the_limit(forms: dict[str, Any], tmp_path: Path, name: str) -> None:
    source = forms[name]
    ways = [source]
    if isinstance(source, bytes):
        path = tmp_path / ("a.pcm" if name == "pcm" else "a")
        path.write_bytes(source)
        ways += [path, *([] if name == "pcm" else [io.BytesIO(source)])]
    for way in ways:
        with pytest.raises(
            AudioTooLongError, match=r"lasts .*\d s, and max_audio_seconds .* 20.0 s"
        ):
            load_audio(way, fs=16000, max_seconds=LIMIT)
        assert len(load_audio(way, fs=16000, max_seconds=31.0)) >= 30 * 16000
        assert len(load_audio(way, fs=16000, max_seconds=float("inf"))) >= 30 * 16000


def test_what_unpacks_to_hours_takes_little_memory() -> None:
    """Without a length in its header it is decoded up to the limit and no further."""
    flac = bytearray(sndfile_bytes("FLAC", np.zeros(16000 * 2000, np.float32), 16000))
    assert len(flac) < 120_000
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    load_audio(sndfile_bytes("FLAC", WAVE[:1600], 16000))
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLongError, match="lasts at least"):
            load_audio(bytes(flac), max_seconds=60.0)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_headers_that_claim_too_much() -> None:
    """The file cannot hold it, so that what is there counts."""
    flac = bytearray(sndfile_bytes("FLAC", WAVE, 16000))
    flac[21] |= 0x0F
    flac[22:26] = b"\xff\xff\xff\xff"
    mp3 = bytearray(sndfile_bytes("MP3", WAVE, 16000))
    at = mp3.find(b"Xing") if b"Xing" in mp3 else mp3.find(b"Info")
    mp3[at + 8 : at + 12] = b"\xff\xff\xff\xf0"
    wav = bytearray(sndfile_bytes("WAV", WAVE, 16000))
    wav[40:44] = b"\xfe\xff\xff\x7f"
    mkv = bytearray(ffmpeg_bytes("matroska", "pcm_s16le", WAVE, 16000))
    at = mkv.index(b"\x44\x89\x88") + 3
    mkv[at : at + 8] = np.array([1e15], ">f8").tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in (flac, mp3, wav, mkv):
            for way in (bytes(data), io.BytesIO(data)):
                found = load_audio(way, max_seconds=60.0)
                assert abs(len(found) - len(WAVE)) < 2000
                assert np.abs(found[:16000] - WAVE[:16000]).max() < 0.1


@pytest.mark.parametrize("name", ["a.pcm", "a.wav", "a.au", "a.w64", "a.bin"])
def test_a_hundred_gigabytes_of_nothing(tmp_path: Path, name: str) -> None:
    """Sparse, so that it takes no disk; nothing of it is read into memory."""
    path = tmp_path / name
    header = {
        "a.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0"
        b"\x10\0data\xff\xff\xff\xff",
        "a.au": b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\3\0\0\x3e\x80\0\0\0\1",
    }.get(name, b"")
    try:
        with path.open("wb") as file:
            file.write(header)
            file.truncate(100 * 10**9)
    except OSError:
        pytest.skip("this file system has no such large files")
    tracemalloc.start()
    try:
        with pytest.raises(AudioError) as caught:
            load_audio(path)
        if name != "a.bin":
            assert "max_audio_seconds" in str(caught.value) or name == "a.w64"
        with pytest.raises(AudioTooLongError), path.open("rb") as file:
            load_audio(file, is_pcm=True)
        with pytest.raises(AudioTooLongError):
            load_audio(path, is_pcm=True)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
        os.truncate(path, 0)


def test_a_wav_of_1024_channels_takes_little_memory() -> None:
    frames = 200
    header = bytearray(sndfile_bytes("WAV", np.zeros((2, 1), np.float32), 16000)[:44])
    header[22:24] = (1024).to_bytes(2, "little")
    header[32:34] = (2048).to_bytes(2, "little")
    header[40:44] = (2048 * frames).to_bytes(4, "little")
    tracemalloc.start()
    try:
        assert len(load_audio(bytes(header) + bytes(2048 * frames))) == frames
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_blocks_are_resampled_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from safeasr.inputs import sndfile
    from safeasr.inputs.arrays import resample

    for rate in (8000, 11025, 44100, 48000):
        wave = speech(5.0, rate=rate)
        data = sndfile_bytes("WAV", wave, rate, "FLOAT")
        monkeypatch.setattr(sndfile, "_BLOCK_SAMPLES", 7000)
        np.testing.assert_array_equal(load_audio(data), resample(wave, rate, 16000))


def test_options_of_calls_and_constructors(make_model: Callable[..., AutoModel]) -> None:
    with make_model("demo", disable_pbar=True, max_audio_seconds=LIMIT) as model:
        for options in ({}, {"max_audio_seconds": 25}, {"max_audio_seconds": None}):
            with pytest.raises(AudioTooLongError, match=r"^input 0 \(key "):
                model.generate(WAVE, **options)
        damaged = bytearray(sndfile_bytes("FLAC", WAVE, 16000))
        damaged[len(damaged) // 2 :] = b""
        with pytest.raises(AudioError, match="strict_audio=True"):
            model.generate(bytes(damaged), strict_audio=True, max_audio_seconds=40)
        for wrong in (0, -1, float("nan"), "10", True):
            with pytest.raises(ValueError, match="max_audio_seconds must be a number of seconds"):
                model.generate(WAVE, max_audio_seconds=wrong)
        with pytest.raises(ValueError, match="strict_audio must be true or false"):
            model.generate(WAVE, strict_audio="yes")
        assert "text" in model.generate(WAVE[:16000])[0]


@pytest.mark.parametrize(
    "kind", [MemoryError, RecursionError, OverflowError, UnicodeError, SystemError, AssertionError]
)
def test_whatever_a_library_raises_is_an_audio_error(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    from safeasr.inputs import audio

    def fail(*_: object, **__: object) -> None:
        raise kind("of hostile data")

    monkeypatch.setattr(audio, "decode", fail)
    with pytest.raises(AudioError):
        load_audio(b"RIFF")


class _Odd:
    """A file object that does not do what file objects do."""

    def __init__(self, **methods: Any) -> None:
        self.__dict__.update(methods)


def _raise(*_: object) -> Any:
    raise RuntimeError("no")


@pytest.mark.parametrize(
    "methods",
    [
        {"read": _raise},
        {"read": lambda size=-1: None},
        {"read": lambda size=-1: "text"},
        {"read": lambda size=-1: 5},
        {"read": lambda size=-1: b"", "seek": _raise},
        {"read": lambda size=-1: b"", "seekable": _raise},
        {"read": lambda size=-1: b"x" * 100},
        {"read": 5},
        {"read": lambda size=-1: b"", "seek": lambda *_: 0, "tell": lambda: 10**30},
        {"read": lambda size=-1: b"", "seek": lambda *_: 0, "tell": lambda: "x"},
        {"read": _raise, "seek": lambda *_: 0, "tell": lambda: 10**12},
        {"__fspath__": _raise},
        {"__array__": _raise},
    ],
    ids=range(13),
)
def test_odd_objects(methods: dict[str, Any]) -> None:
    kind = type("Odd", (_Odd,), {k: staticmethod(v) for k, v in methods.items() if callable(v)})
    with pytest.raises(AudioError):
        load_audio(kind(**methods), max_bytes=10_000)


def test_a_large_file_object_is_read_as_it_is_decoded() -> None:
    data = sndfile_bytes("WAV", WAVE, 16000)
    expected = load_audio(data)
    np.testing.assert_array_equal(load_audio(io.BytesIO(data), max_bytes=1000), expected)
    m4a = ffmpeg_bytes("ipod", "aac", WAVE, 16000)
    file = io.BytesIO(m4a)
    np.testing.assert_array_equal(load_audio(file, max_bytes=1000), load_audio(m4a))
    assert not file.closed
    file.close()

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 200_000:
                raise OSError("the cable was pulled")
            return super().read(size)

        readinto = None

    with pytest.raises(AudioError, match="the cable was pulled"):
        load_audio(Breaking(data), max_bytes=1000)

    class Pipe:
        def __init__(self) -> None:
            self.rest = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self.rest.read(min(size, 100))

    np.testing.assert_array_equal(load_audio(Pipe()), expected)
    with pytest.raises(AudioError, match="holds more than 1000 bytes and cannot seek"):
        load_audio(Pipe(), max_bytes=1000)
