"""Clients that people have, each in an environment of its own: as far as they go, they work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from safeasr import AutoModel
from support.containers import sndfile_bytes
from support.environments import environment_with
from support.processes import run_to_end
from support.serve_clients import offline_text, pcm16, texts, two_pass_texts
from support.serving import Server, server

_SCRIPTS = Path(__file__).with_name("real_clients")
_ITEM = "conversation.item.input_audio_transcription."
Run = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def locked(own_cache: object) -> Iterator[Server]:
    with server(environment={"SAFEASR_API_KEYS": "another,right"}) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """Runs a script with a server's address and a recording: as WAV, and as samples of a rate."""

    def run(script: str, url: str, pcm: bytes, rate: int, *requirements: str) -> dict[str, Any]:
        python = environment_with(*requirements)
        samples = (np.frombuffer(pcm, "<i2") / 32768).astype(np.float32)
        wav, raw = tmp_path / "a.wav", tmp_path / "a.pcm"
        wav.write_bytes(sndfile_bytes("WAV", samples, 16000))
        raw.write_bytes(pcm if rate == 16000 else pcm16(soxr.resample(samples, 16000, rate)))
        command = [str(python), str(_SCRIPTS / script), url, str(wav), str(raw)]
        done = run_to_end(command, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return run


def test_openai(run: Run, locked: Server, library: AutoModel, sentences: bytes) -> None:
    said = run("with_openai.py", locked.url, sentences, 24000, "openai[realtime]==3.57.0")
    text = offline_text(library, sentences).strip()
    for form in ("json", "verbose_json", "diarized_json"):
        assert said[form]["text"] == text
    assert said["keywords"]["text"]
    assert said["text"] == text + "\n"
    assert said["srt"].startswith("1\n00:00:") and said["vtt"].startswith("WEBVTT\n\n00:00:")
    deltas = [event["delta"] for event in said["stream"][:-1]]
    assert "".join(deltas) == said["stream"][-1]["text"] == text and len(deltas) > 3

    assert said["models"] == ["demo"]
    kinds = {name: (kind, code) for name, (kind, code, _) in said["errors"].items()}
    assert kinds == {
        "model": ("NotFoundError", "model_not_found"),
        "format": ("BadRequestError", "invalid_value"),
        "audio": ("BadRequestError", "invalid_audio"),
        "audio of a stream": ("APIError", "invalid_audio"),
        "key": ("AuthenticationError", "invalid_api_key"),
    }

    committed = said["realtime"]
    assert committed[0]["type"] == "session.created"
    (error,) = (event["error"] for event in committed if event["type"] == "error")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert committed[-1]["transcript"].strip() and committed[-1]["usage"]["type"] == "duration"
    found = said["realtime_async"]
    transcripts = [one["transcript"] for one in found if one["type"] == _ITEM + "completed"]
    deltas = [one["delta"] for one in found if one["type"] == _ITEM + "delta"]
    assert len([one for one in transcripts if one]) > 3 and len(deltas) > 5


def test_funasr_client(run: Run, demo_server: Server, library: AutoModel, sentences: bytes) -> None:
    said = run("with_funasr_client.py", demo_server.ws, sentences, 16000, "funasr-client==0.1.6")
    assert said["offline"][-1]["text"] == offline_text(library, sentences)
    assert "".join(texts(said["online"], "2pass-online"))
    segments = two_pass_texts(library, sentences)[1]
    for way in ("2pass", "callback", "blocking"):
        assert texts(said[way], "2pass-offline") == segments
        assert [one["is_final"] for one in said[way]].count(True) == said[way][-1]["is_final"] == 1
    assert said["merged"]["text"] == "".join(segments)
    # Times were texts, and the client has read them.
    words = [pair for one in said["callback"] for pair in one.get("timestamp", ())]
    real = [pair for one in said["callback"] for pair in one.get("real_timestamp", ())]
    assert words and real == [[start + 1000, end + 1000] for start, end in words]


def test_funasr_python(run: Run, demo_server: Server, library: AutoModel, sentence: bytes) -> None:
    """Of a recording it shows the one message that is final."""
    said = run("with_funasr_python.py", demo_server.ws, sentence, 16000, "funasr-python==0.1.5")
    whole = offline_text(library, sentence).strip()
    last = two_pass_texts(library, sentence)[1][-1].strip()
    assert (said["offline"], said["2pass"]) == (whole, last)
    live = {mode: said[f"stream {mode}"] for mode in ("offline", "online", "2pass")}
    assert not any(one["errors"] for one in live.values())
    assert live["offline"]["final"] == [whole] * 2
    assert live["2pass"]["final"] == [last] * 2 and live["2pass"]["partial"]
    assert len(live["online"]["final"]) == 2 and live["online"]["partial"]
