"""FunASR's websocket: frames, rates, headers, and files of all formats."""

from __future__ import annotations

import functools
import io
import struct
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from safeasr import AutoModel
from support.containers import BY_FFMPEG, ffmpeg_bytes, sndfile_bytes
from support.serve_clients import ask, frames, offline_text, pcm16, texts, two_pass_texts
from support.serving import Server


def samples(pcm: bytes) -> NDArray[np.float32]:
    return (np.frombuffer(pcm, "<i2") / 32768).astype(np.float32)


def at_rate(pcm: bytes, rate: int) -> bytes:
    return pcm16(soxr.resample(samples(pcm), 16000, rate))


def wav(pcm: bytes, rate: int = 16000, channels: int = 1, junk: int = 0) -> bytes:
    """A WAV file; with some other chunk before its samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.repeat(np.frombuffer(pcm, "<i2"), channels).tobytes())
    data = file.getvalue()
    if not junk:
        return data
    chunk = b"LIST" + junk.to_bytes(4, "little") + bytes(junk + junk % 2)
    whole = data[:36] + chunk + data[36:]
    return whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:]


def at_random(data: bytes) -> list[bytes]:
    """Frames of any length, some of them empty."""
    cuts = sorted(np.random.default_rng(3).integers(0, len(data), 200))
    return [data[start:end] for start, end in zip([0, 0, *cuts], [0, *cuts, len(data)])]


_CUTS: dict[str, Callable[[bytes], list[bytes]]] = {
    "one": lambda data: [data],
    "odd": lambda data: frames(data, 961),
    "single bytes first": lambda data: [data[:1], data[1:2], data[2:3], *frames(data[3:], 9999)],
    "960": lambda data: frames(data, 960),
    "a byte too many": lambda data: [*frames(data), b"\x01"],
    "random": at_random,
}


@functools.cache
def as_usual(url: str, mode: str, pcm: bytes) -> list[dict[str, Any]]:
    return ask(url, {"mode": mode}, *frames(pcm))


@pytest.mark.parametrize("cut", _CUTS)
@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_frame_borders(demo_server: Server, sentence: bytes, cut: str, mode: str) -> None:
    expected = as_usual(demo_server.ws, mode, sentence)
    found = ask(demo_server.ws, {"mode": mode}, *_CUTS[cut](sentence))
    # First passes may come in other pieces; together they say the same.
    for one in ("offline", "2pass-offline"):
        assert texts(found, one) == texts(expected, one)
    pieces = ["".join(texts(each, "2pass-online")) for each in (found, expected)]
    assert pieces[0] == pieces[1] and len(found) >= 1


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_rates(demo_server: Server, library: AutoModel, sentence: bytes, rate: int) -> None:
    pcm = at_rate(sentence, rate)
    (offline,) = ask(demo_server.ws, {"mode": "offline", "audio_fs": rate}, *frames(pcm))
    assert offline["text"] == offline_text(library, pcm, fs=rate) != ""
    live = ask(demo_server.ws, {"mode": "2pass", "audio_fs": rate}, *frames(pcm))
    assert texts(live, "2pass-offline") == two_pass_texts(library, pcm, fs=rate)[1]


#: Rate, channels, bytes of a chunk before the samples, length of the frames.
_HEADERS = [
    (16000, 1, 0, 960),
    (16000, 1, 26, 10**9),
    (16000, 2, 1001, 961),
    (8000, 1, 0, 7),
    (48000, 2, 0, 960),
    (44100, 1, 0, 10**9),
]


@pytest.mark.parametrize("rate, channels, junk, size", _HEADERS)
@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_wav_with_its_header_as_pcm(
    demo_server: Server,
    library: AutoModel,
    sentence: bytes,
    rate: int,
    channels: int,
    junk: int,
    size: int,
    mode: str,
) -> None:
    """As FunASR's page does; what the header says of the rate holds, whatever the client says."""
    pcm = at_rate(sentence, rate)
    file = wav(pcm, rate, channels, junk)
    message = {"mode": mode, "wav_format": "PCM", "audio_fs": 16000}
    found = ask(demo_server.ws, message, *frames(file, size))
    if mode == "offline":
        expected = [offline_text(library, file, raw=False)]
    else:
        expected = two_pass_texts(library, pcm, fs=rate)[1]
    assert texts(found, "offline" if mode == "offline" else "2pass-offline") == expected


@pytest.mark.parametrize("mode", ["offline", "2pass"])
@pytest.mark.parametrize("said", ["WAV", "pcm", None])
def test_names_of_raw_formats(
    demo_server: Server, sentence: bytes, said: object, mode: str
) -> None:
    """Of a client that says "wav", samples with a header or without; of "pcm", too."""
    with_header = ask(demo_server.ws, {"mode": mode, "wav_format": said}, wav(sentence))
    without = ask(demo_server.ws, {"mode": mode, "wav_format": said}, sentence)
    assert with_header[-1]["text"] == without[-1]["text"] != ""


_FILES = {
    "flac": lambda wave: sndfile_bytes("FLAC", wave, 16000),
    "mp3": lambda wave: sndfile_bytes("MP3", wave, 16000),
    "ogg": lambda wave: sndfile_bytes("OGG", wave, 16000),
    "m4a": lambda wave: ffmpeg_bytes(*BY_FFMPEG["m4a"][:2], wave, 16000),
    "webm": lambda wave: ffmpeg_bytes(
        *BY_FFMPEG["webm"][:2], soxr.resample(wave, 16000, 48000), 48000
    ),
    "mkv": lambda wave: ffmpeg_bytes(*BY_FFMPEG["mkv"][:2], wave, 16000),
}


@pytest.mark.parametrize("name", _FILES)
def test_compressed_files(
    demo_server: Server, library: AutoModel, sentence: bytes, name: str
) -> None:
    """Offline, whatever the client calls the format; FunASR's own says "others"."""
    data = _FILES[name](samples(sentence))
    said = "others" if name in ("mp3", "ogg") else name
    message = {"mode": "offline", "wav_format": said, "audio_fs": 8000}
    (found,) = ask(demo_server.ws, message, *frames(data, 960))
    assert found["text"] == offline_text(library, data, raw=False) != ""


def test_compressed_audio_cannot_be_live(demo_server: Server, sentence: bytes) -> None:
    """It is said once, not for every frame, and the utterance ends as all do."""
    data = _FILES["mp3"](samples(sentence))
    with_error, final = ask(demo_server.ws, {"mode": "2pass", "wav_format": "mp3"}, *frames(data))
    assert with_error["error"]["code"] == "invalid_audio" and not with_error["is_final"]
    assert final == {
        "mode": "2pass-offline",
        "text": "",
        "wav_name": "microphone",
        "is_final": True,
    }


_HEAD = b"RIFF\0\0\0\0WAVE"
_NO_AUDIO = {
    "text": b"this is no audio at all " * 50,
    "half a header": wav(bytes(3200))[:30],
    "a WAV of 24 bits": _HEAD
    + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 48000, 3, 24)
    + b"data"
    + bytes(904),
    "a header without samples": _HEAD + b"junk\xff\xff\x00\x00" + bytes(9000),
    "one byte": b"\x01",
}


@pytest.mark.parametrize("name", _NO_AUDIO)
@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_what_is_no_audio(demo_server: Server, name: str, mode: str) -> None:
    """Ends with a message that is final and, if need be, one that says what is wrong before it."""
    form = "others" if mode == "offline" else "pcm"
    *before, final = ask(
        demo_server.ws, {"mode": mode, "wav_format": form}, *frames(_NO_AUDIO[name], 100)
    )
    assert final["is_final"] and final["text"] == "" and len(before) <= 1
    for message in before:
        assert message["error"]["code"] == "invalid_audio"
        assert "/" not in message["error"]["message"]
