"""OpenAI's transcriptions: what the fields ask of the model, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from safeasr.errors import (
    AudioError,
    AudioTooLongError,
    DeadlineExceededError,
    EngineClosedError,
    InferenceError,
    OptionError,
    QueueFullError,
)
from support.serving import InThread, app_in_thread

Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    with app_in_thread() as one:
        yield one


@pytest.fixture
def post(running: InThread) -> Iterator[Post]:
    running.model.asked.clear()
    with httpx.Client(base_url=running.url, timeout=60) as client:

        def send(**fields: Any) -> httpx.Response:
            file = fields.pop("file", ("a.wav", b"some bytes"))
            files = {"file": file} if file is not None else {"other": ("a", b"")}
            return client.post("/v1/audio/transcriptions", files=files, data=fields)

        yield send
    running.model.fault = None


_WORDS = [
    ({"prompt": "魔搭 阿里巴巴"}, ["魔搭", "阿里巴巴"]),
    ({"prompt": "魔搭，阿里、hello,world"}, ["魔搭", "阿里", "hello", "world"]),
    ({"keywords[]": ["new york", "boston"]}, ["new york", "boston"]),
    ({"keywords": ["new york", "boston"]}, ["new york", "boston"]),
    ({"keywords": '["new york", "boston"]'}, ["new york", "boston"]),
    ({"keywords": "new york,boston"}, ["new york", "boston"]),
    ({"keywords": "a", "prompt": "b a"}, ["a", "b"]),
    ({"hotwords": "a, b"}, ["a", "b"]),
    ({"prompt": "  "}, None),
    ({"prompt": ""}, None),
    ({"keywords": "[]"}, None),
    ({"keywords": '["half \\ud800 a pair"]'}, ["half \\ud800 a pair"]),
]


@pytest.mark.parametrize("fields, words", _WORDS, ids=repr)
def test_hotwords(running: InThread, post: Post, fields: dict[str, Any], words: object) -> None:
    assert post(**fields).status_code == 200
    assert running.model.asked[0].get("hotword") == words


_LANGUAGES = [
    ({"language": "zh"}, "zh"),
    ({"language": "zh-CN"}, "zh"),
    ({"language": "EN_us"}, "en"),
    ({"languages": ["en"]}, "en"),
    ({"languages[]": ["en", "zh"]}, None),
    ({"language": ""}, None),
]


@pytest.mark.parametrize("fields, language", _LANGUAGES, ids=repr)
def test_languages(running: InThread, post: Post, fields: dict[str, Any], language: object) -> None:
    assert post(**fields).status_code == 200
    assert running.model.asked[0].get("language") == language


_STRATEGIES = [
    ("auto", None),
    ("", None),
    ('{"type": "server_vad"}', None),
    ('{"type": "server_vad", "silence_duration_ms": 700}', 700),
    ('{"type": "server_vad", "silence_duration_ms": 1, "threshold": 0.5}', 100),
    ('{"type": "server_vad", "silence_duration_ms": 1e9}', 10_000),
]


@pytest.mark.parametrize("said, silence", _STRATEGIES)
def test_chunking(running: InThread, post: Post, said: str, silence: int | None) -> None:
    assert post(chunking_strategy=said).status_code == 200
    assert running.model.asked[0].get("max_end_silence_time") == silence


@pytest.mark.parametrize("name", ["whisper-1", "gpt-4o-transcribe", "", "default", "demo"])
def test_names_of_the_only_model(running: InThread, post: Post, name: str) -> None:
    assert post(model=name).status_code == 200


_IGNORED = [{"temperature": "0"}, {"temperature": "1"}, {"include[]": "logprobs"}, {"user": "me"}]


@pytest.mark.parametrize("fields", _IGNORED, ids=repr)
def test_fields_that_change_nothing(post: Post, fields: dict[str, Any]) -> None:
    assert post(**fields).status_code == 200


_WRONG = [
    ({"response_format": "xml"}, "response_format"),
    ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
    ({"temperature": "2"}, "temperature"),
    ({"temperature": "nan"}, "temperature"),
    ({"temperature": "warm"}, "temperature"),
    ({"chunking_strategy": "none"}, "chunking_strategy"),
    ({"chunking_strategy": '{"type": "other"}'}, "chunking_strategy"),
    ({"chunking_strategy": "[1]"}, "chunking_strategy"),
    ({"chunking_strategy": "[" * 10_000}, "chunking_strategy"),
    ({"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": "x"}'}, None),
    ({"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": Infinity}'}, None),
    ({"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": [1]}'}, None),
    ({"stream": "true", "response_format": "srt"}, "stream"),
    ({"prompt": "w" + " w".join(map(str, range(10_001)))}, "prompt"),
    ({"file": None}, "file"),
    # A field that is a file, and a file that is none.
    ({"model": ("m", b"demo")}, "model"),
    ({"response_format": "diarized_json"}, "response_format"),  # this model knows no speakers
    ({"stream": "true", "spk": "true"}, "response_format"),
]


@pytest.mark.parametrize("fields, param", _WRONG, ids=lambda one: str(one)[:40])
def test_wrong_fields(running: InThread, fields: dict[str, Any], param: str | None) -> None:
    files = {"file": ("a.wav", b"abc")} | {k: v for k, v in fields.items() if isinstance(v, tuple)}
    if "file" in fields:
        files = {"other": ("a.wav", b"abc")}
    data = {name: value for name, value in fields.items() if name not in files and name != "file"}
    found = running.http.post("/v1/audio/transcriptions", files=files, data=data)
    error = found.json()["error"]
    assert found.status_code == 400 and set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == (param or "chunking_strategy")


def test_a_model_that_is_not_there(post: Post) -> None:
    found = post(model="other" * 100)
    assert found.status_code == 404
    assert found.json()["error"]["code"] == "model_not_found" and len(found.text) < 400


_FAULTS = [
    (QueueFullError("x"), 503, "queue_full"),
    (EngineClosedError("x"), 503, "unavailable"),
    (DeadlineExceededError("x"), 504, "deadline_exceeded"),
    (AudioTooLongError("it is longer than 7 s"), 413, "audio_too_long"),
    (AudioError("it is no audio"), 400, "invalid_audio"),
    (OptionError("no such language"), 400, "invalid_option"),
    (InferenceError("secret /srv/models/x"), 500, "inference_failed"),
    (RuntimeError("secret /srv/models/x"), 500, "internal_error"),
]


@pytest.mark.parametrize("fault, status, code", _FAULTS, ids=lambda one: str(one)[:40])
@pytest.mark.parametrize("stream", ["", "true"])
def test_faults_of_the_model(
    running: InThread, post: Post, fault: Exception, status: int, code: str, stream: str
) -> None:
    """In OpenAI's form; of a stream, whose answer has begun by then, as an event."""
    running.model.fault = fault
    found = post(stream=stream)
    assert code in found.text and "secret" not in found.text
    assert found.headers["x-request-id"]
    if stream:
        assert found.text.startswith("event: error\ndata: {") and found.text.endswith("[DONE]\n\n")
        return
    assert found.status_code == status and found.json()["error"]["code"] == code
    assert ("retry-after" in found.headers) == (status == 503)
    if status == 500:
        assert found.headers["x-request-id"] in found.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers, body, status",
    [
        ({"content-type": "application/json"}, b'{"file": "x"}', 415),
        ({}, b"", 415),
        ({"content-type": "multipart/form-data"}, b"x", 400),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--b\r\nrubbish", 400),
        ({"content-type": "application/x-www-form-urlencoded"}, b"file=/etc/passwd", 400),
    ],
)
def test_what_is_no_form(
    running: InThread, headers: dict[str, str], body: bytes, status: int
) -> None:
    found = running.http.post("/v1/audio/transcriptions", headers=headers, content=body)
    assert found.status_code == status
    assert set(found.json()["error"]) == {"message", "type", "param", "code"}


def test_addresses_and_methods_that_are_none(running: InThread) -> None:
    for method, path, status in (
        ("GET", "/v1/other", 404),
        ("GET", "/v1/audio/transcriptions", 405),
    ):
        found = running.http.request(method, path)
        assert found.status_code == status and found.json()["error"]["message"]
