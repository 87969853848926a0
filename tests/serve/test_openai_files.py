"""OpenAI's transcriptions: all response formats, with the library's texts and times."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from safeasr import AutoModel
from support.containers import BY_FFMPEG, ffmpeg_bytes, sndfile_bytes
from support.serving import Server

_CLOCK = r"\d\d:\d\d:\d\d[,.]\d\d\d"
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def wav(sentences: bytes) -> bytes:
    samples = np.frombuffer(sentences, "<i2") / 32768
    return sndfile_bytes("WAV", samples.astype(np.float32), 16000)


@pytest.fixture(scope="module")
def post(demo_server: Server) -> Post:
    """Posts a form with a file."""
    client = httpx.Client(base_url=demo_server.url, timeout=60)

    def send(file: bytes, path: str = "/v1/audio/transcriptions", **fields: Any) -> httpx.Response:
        return client.post(path, files={"file": ("a.wav", file)}, data=fields)

    return send


@pytest.fixture(scope="module")
def text(library: AutoModel, wav: bytes) -> str:
    return str(library.generate(wav)[0]["text"]).strip()


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_json(post: Post, wav: bytes, text: str) -> None:
    found = post(wav, model="whisper-1")
    assert found.headers["content-type"] == "application/json"
    assert found.json() == {"text": text, "usage": {"type": "duration", "seconds": 17}}
    assert post(wav, model="whisper-1", response_format="json").json() == found.json()


def test_text(post: Post, wav: bytes, text: str) -> None:
    found = post(wav, model="demo", response_format="text")
    assert found.headers["content-type"].startswith("text/plain")
    assert found.text == text + "\n"


def test_verbose_json(post: Post, wav: bytes, text: str) -> None:
    found = post(wav, response_format="verbose_json").json()
    assert found["text"] == text and found["task"] == "transcribe" and "words" not in found
    assert isinstance(found["duration"], float) and 17 < found["duration"] < 17.2
    assert isinstance(found["language"], str)
    numbers = {"avg_logprob", "compression_ratio", "no_speech_prob", "temperature", "start", "end"}
    for number, segment in enumerate(found["segments"]):
        assert segment["id"] == number and isinstance(segment["seek"], int)
        assert isinstance(segment["tokens"], list) and segment["text"]
        assert all(isinstance(segment[name], (int, float)) for name in numbers)
    times = [(one["start"], one["end"]) for one in found["segments"]]
    assert times == sorted(times) and len(times) > 3 and all(a < b for a, b in times)
    assert " ".join(one["text"] for one in found["segments"]) == text


@pytest.mark.parametrize(
    "asked, words, segments",
    [
        ({"timestamp_granularities[]": ["word"]}, True, False),
        ({"timestamp_granularities[]": ["word", "segment"]}, True, True),
        ({"timestamp_granularities": ["word", "segment"]}, True, True),
        ({"timestamp_granularities": '["word"]'}, True, False),
        ({"timestamp_granularities[]": ["segment"]}, False, True),
        ({}, False, True),
    ],
)
def test_granularities(
    post: Post, library: AutoModel, wav: bytes, asked: dict[str, Any], words: bool, segments: bool
) -> None:
    found = post(wav, response_format="verbose_json", **asked).json()
    assert ("words" in found, "segments" in found) == (words, segments)
    if words:
        times = library.generate(wav, output_timestamp=True)[0]["timestamp"]
        told = [[round(1000 * one["start"]), round(1000 * one["end"])] for one in found["words"]]
        assert told == times
        spoken = " ".join(one["word"] for one in found["words"]).casefold()
        assert spoken == re.sub("[^a-z ]", "", found["text"].casefold())


@pytest.mark.parametrize("form, kind", [("srt", "application/x-subrip"), ("vtt", "text/vtt")])
def test_subtitles(post: Post, wav: bytes, text: str, form: str, kind: str) -> None:
    found = post(wav, response_format=form)
    assert found.headers["content-type"].startswith(kind)
    blocks = found.text.strip().split("\n\n")
    if form == "vtt":
        assert blocks.pop(0) == "WEBVTT"
    said, before = [], 0.0
    for number, block in enumerate(blocks, 1):
        lines = block.split("\n")
        if form == "srt":
            assert lines.pop(0) == str(number)
        match = re.fullmatch(f"({_CLOCK}) --> ({_CLOCK})", lines[0])
        assert match and ("," in lines[0]) == (form == "srt")
        start, end = map(seconds, match.groups())
        assert before <= start < end
        before = end
        said.append(" ".join(lines[1:]))
    assert " ".join(said) == text


def test_diarized_json(post: Post, wav: bytes, text: str) -> None:
    found = post(wav, response_format="diarized_json").json()
    assert found["text"] == text and found["task"] == "transcribe"
    for segment in found["segments"]:
        assert segment["type"] == "transcript.text.segment" and segment["speaker"] in ("A", "B")
        assert set(segment) == {"id", "type", "start", "end", "text", "speaker"}


def test_stream(post: Post, wav: bytes, text: str) -> None:
    found = post(wav, stream="true")
    assert found.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in found.text.split("\n") if line]
    assert lines.pop() == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert events[-1] == {"type": "transcript.text.done", "text": text}
    deltas = [event["delta"] for event in events[:-1]]
    assert {event["type"] for event in events[:-1]} == {"transcript.text.delta"}
    assert "".join(deltas) == text and len(deltas) > 3


def test_funasrs_own(post: Post, wav: bytes, text: str) -> None:
    """`/asr`, and `spk` of its OpenAI-like endpoint."""
    found = post(wav, "/asr", spk="true").json()
    assert found["text"] == text
    assert all(one["words"] and one["speaker"].startswith("SPK") for one in found["segments"])
    plain = post(wav, "/asr").json()
    assert plain["text"] == text and "speaker" not in plain["segments"][0]
    assert post(wav, spk="true").json()["segments"] == found["segments"]


_ENCODED = {
    "flac": lambda wave: sndfile_bytes("FLAC", wave, 16000),
    "mp3": lambda wave: sndfile_bytes("MP3", wave, 16000),
    "ogg": lambda wave: sndfile_bytes("OGG", wave, 16000),
    "m4a": lambda wave: ffmpeg_bytes(*BY_FFMPEG["m4a"][:2], wave, 16000),
    "mp4": lambda wave: ffmpeg_bytes("mp4", "aac", wave, 16000),
    "webm": lambda wave: ffmpeg_bytes("webm", "libopus", np.repeat(wave, 3), 48000),
    "mpga": lambda wave: ffmpeg_bytes("mp2", "mp2", wave, 16000),
}


@pytest.mark.parametrize("name", _ENCODED)
def test_formats_of_files(post: Post, library: AutoModel, sentence: bytes, name: str) -> None:
    """By their contents, whatever they are called; with a duration."""
    data = _ENCODED[name]((np.frombuffer(sentence, "<i2") / 32768).astype(np.float32))
    found = post(data, response_format="verbose_json").json()
    assert found["text"] == str(library.generate(data)[0]["text"]).strip() != ""
    assert found["duration"] == pytest.approx(len(sentence) / 32000, abs=0.2)


def test_nothing_said(post: Post) -> None:
    silence = sndfile_bytes("WAV", np.zeros(32000, np.float32), 16000)
    assert post(silence).json()["text"] == ""
    assert post(silence, response_format="text").text == "\n"
    assert post(silence, response_format="srt").text == ""
    assert post(silence, response_format="vtt").text == "WEBVTT\n"
    verbose = post(silence, response_format="verbose_json").json()
    assert (verbose["text"], verbose["segments"], verbose["duration"]) == ("", [], 2.0)
    assert post(silence, response_format="diarized_json").json()["segments"] == []
    events = post(silence, stream="1").text
    assert events == 'data: {"type": "transcript.text.done", "text": ""}\n\ndata: [DONE]\n\n'


def test_models(demo_server: Server) -> None:
    found = demo_server.http.get("/v1/models").json()
    assert found["object"] == "list"
    (model,) = found["data"]
    assert (model["id"], model["object"], model["owned_by"]) == ("demo", "model", "safeasr")
    assert isinstance(model["created"], int)
    assert demo_server.http.get("/v1/models/demo").json() == model
    missing = demo_server.http.get("/v1/models/other")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "model_not_found"
