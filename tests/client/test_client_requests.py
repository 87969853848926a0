"""Requests of the client: what is sent, when it is sent again, what errors mean."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AudioFileNotFoundError,
    BadRequestError,
    OptionError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    UnauthorizedError,
)
from safeasr.client import AsyncClient, Client, Segment, ServedModel, Transcript, Word
from support.names import named
from support.scripted import Answer, ScriptedHttp
from support.serving import free_port

SAID = Answer(200, b'{"text": "hello"}')
BUSY = Answer(503, b'{"error": {"message": "full", "code": "server_full"}}', {"Retry-After": "0"})
pytestmark = pytest.mark.usefixtures("no_pauses")

Ask = Callable[..., Any]


def waiting(url: str, audio: Any = b"x", /, *, client: dict[str, Any], **options: Any) -> Any:
    with Client(url, **client) as one:
        return one.transcribe(audio, **options)


def looping(url: str, audio: Any = b"x", /, *, client: dict[str, Any], **options: Any) -> Any:
    async def ask() -> Any:
        async with AsyncClient(url, **client) as one:
            return await one.transcribe(audio, **options)

    return asyncio.run(ask())


@pytest.fixture(params=[waiting, looping])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks for a transcript, from a thread or on an event loop."""

    def asked(url: str, audio: Any = b"x", *, client: Any = None, **options: Any) -> Any:
        return request.param(url, audio, client=client or {}, **options)

    return asked


@pytest.mark.parametrize(
    "answers",
    [[BUSY] * 5, [Answer(429, headers={"Retry-After": "0.001"})], [Answer(502)]],
    ids=["full", "too many", "no replica"],
)
def test_a_busy_server_is_asked_again(ask: Ask, answers: Sequence[Answer]) -> None:
    with ScriptedHttp(*answers, SAID) as server:
        assert ask(server.url).text == "hello"
        assert len(server.bodies) == len(answers) + 1
        assert all(b"\r\nx\r\n" in body for body in server.bodies)


def test_a_file_is_sent_anew_from_its_beginning(ask: Ask, tmp_path: Path) -> None:
    content = os.urandom(200_000)
    (tmp_path / "a.wav").write_bytes(content)
    for audio in (tmp_path / "a.wav", str(tmp_path / "a.wav"), io.BytesIO(content)):
        with ScriptedHttp(BUSY, Answer(breaks=True), SAID) as server:
            assert ask(server.url, audio).text == "hello"
            assert [content in body for body in server.bodies] == [True] * 3


def test_the_rest_of_a_file_that_was_read_before(ask: Ask) -> None:
    file = io.BytesIO(b"head and tail")
    file.seek(9)
    with ScriptedHttp(BUSY, SAID) as server:
        ask(server.url, file)
        assert all(b"\r\ntail\r\n" in body for body in server.bodies)


def test_patience_has_an_end(ask: Ask) -> None:
    later = Answer(503, b'{"error": {"message": "full"}}', {"Retry-After": "3600"})
    with ScriptedHttp(later) as server:
        with pytest.raises(ServerBusyError, match="HTTP 503: full") as raised:
            ask(server.url)
        assert raised.value.retry_after_s == 3600
    with ScriptedHttp(BUSY) as server:
        with pytest.raises(ServerBusyError) as raised:
            ask(server.url, client={"retry_s": 0})
        assert len(server.bodies) == 1
    assert (raised.value.status, raised.value.code) == (503, "server_full")


@pytest.mark.parametrize(
    ("answer", "kind", "standard"),
    [
        (Answer(401, b'{"error": {"message": "a key"}}'), UnauthorizedError, PermissionError),
        (Answer(403), UnauthorizedError, PermissionError),
        (Answer(400, b'{"detail": "no audio"}'), BadRequestError, ValueError),
        (Answer(404, b"<html>not here</html>"), BadRequestError, ValueError),
        (Answer(413), BadRequestError, ValueError),
        (Answer(504), ServerTimeoutError, TimeoutError),
        (Answer(500, b'{"error": "broke\\u001b[2J"}'), ServerError, RuntimeError),
        (Answer(302, headers={"Location": "http://elsewhere/"}), ServerError, RuntimeError),
    ],
)
def test_what_is_no_use_to_repeat(
    ask: Ask, answer: Answer, kind: type[ServerError], standard: type[Exception]
) -> None:
    with ScriptedHttp(answer) as server:
        with pytest.raises(standard) as raised:
            ask(server.url)
        assert type(raised.value) is kind
        assert raised.value.status == answer.status
        assert str(raised.value).isprintable()
        assert len(server.bodies) == 1
    assert pickle.loads(pickle.dumps(raised.value)).status == answer.status


def test_a_connection_that_breaks(ask: Ask) -> None:
    with ScriptedHttp(Answer(200, b'{"te', breaks=True), SAID) as server:
        assert ask(server.url).text == "hello"


def test_nobody_there(ask: Ask) -> None:
    """An address at which nothing ever answered is given up soon, whatever `retry_s` says."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionError, match="cannot be reached") as raised:
        ask(url, client={"retry_s": 1e6})
    assert type(raised.value) is ServerUnreachableError
    assert raised.value.__cause__ is not None


def test_passwords_are_not_shown(ask: Ask) -> None:
    url = f"http://me:secret@127.0.0.1:{free_port()}"
    with pytest.raises(ServerUnreachableError) as raised:
        ask(url)
    assert "secret" not in str(raised.value)
    with pytest.raises(OptionError) as wrong:
        Client("ftp://me:secret@host")
    assert "secret" not in str(wrong.value)


def test_a_server_that_does_not_answer(ask: Ask) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServerTimeoutError, match=r"within 0\.05 s"):
            ask(url, client={"timeout": 0.05})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"text"', b"{}", b'{"text": "a", "segments": [{}]}']
)
def test_answers_that_are_none(ask: Ask, body: bytes) -> None:
    with ScriptedHttp(Answer(200, body)) as server, pytest.raises(ServerError, match="is none"):
        ask(server.url)


def test_all_that_is_asked_for(ask: Ask) -> None:
    with ScriptedHttp(SAID) as server:
        ask(
            server.url + "/v1/",
            client={"api_key": "secret", "headers": {"X-Team": "a"}},
            language="zh",
            hotwords=["魔搭", "open the door"],
            words=True,
            speakers=True,
            model="big",
        )
        head, body = server.heads[0], server.bodies[0].decode()
    assert head.startswith("POST /v1/audio/transcriptions HTTP/1.1")
    assert "authorization: bearer secret" in head.lower()
    assert "x-team: a" in head.lower()
    for name, value in [
        ("model", "big"),
        ("language", "zh"),
        ("keywords[]", "魔搭"),
        ("keywords[]", "open the door"),
        ("timestamp_granularities[]", "word"),
        ("response_format", "verbose_json"),
        ("spk", "true"),
    ]:
        assert f'name="{name}"\r\n\r\n{value}\r\n' in body
    with ScriptedHttp(Answer(200, b"1\n00:00")) as server:
        assert ask(server.url, format="srt", hotwords="a b") == "1\n00:00"
        assert server.bodies[0].count(b'name="keywords[]"') == 2


def test_samples_become_a_wav_file(ask: Ask) -> None:
    for samples in (
        np.array([0, 1, -32768], np.int16),
        [0.0, 1 / 32768, -1.0],
        np.array([0, 1, -32768], "<i2").tobytes(),
    ):
        with ScriptedHttp(SAID) as server:
            ask(server.url, samples, fs=8000)
            assert b"WAVEfmt " in server.bodies[0]
            assert (8000).to_bytes(4, "little") in server.bodies[0]
            assert b"\x00\x00\x01\x00\x00\x80\r\n" in server.bodies[0]


@pytest.mark.parametrize(
    "audio",
    [
        "http://host/a.wav",
        np.zeros((2, 3), np.float32),
        np.zeros(3, np.int32),
        [float("nan")],
        {"a": 1},
        io.StringIO("text"),
        os.curdir,
        "a\0b",
    ],
    ids=named,
)
def test_what_is_no_audio(audio: Any) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(AudioError):
        client.transcribe(audio)


def test_files_that_are_not_there() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(AudioFileNotFoundError):
        client.transcribe("nowhere.wav")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("localhost:8000", {}),
        ("ftp://host", {}),
        ("http://", {}),
        ("http://host:port", {}),
        ("", {}),
        (None, {}),
        ("http://host", {"timeout": 0}),
        ("http://host", {"timeout": "long"}),
        ("http://host", {"retry_s": -1}),
        ("http://host", {"api_key": "two\r\nlines"}),
        ("http://host", {"api_key": "schlüssel"}),
    ],
)
def test_clients_that_cannot_be_made(url: Any, options: dict[str, Any]) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(OptionError) as raised:
            kind(url, **options)
        assert "schlüssel" not in str(raised.value)


def test_unknown_formats() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(OptionError, match="docx"):
        client.transcribe(b"x", format="docx")  # type: ignore[call-overload]


def test_everything_that_a_server_may_tell(ask: Ask) -> None:
    said = {
        "text": " a b ",
        "language": "en",
        "duration": "1.5",
        "segments": [{"text": " a b", "start": 0, "end": 1.5, "speaker": "A"}],
        "words": [{"word": "a", "start": 0, "end": 1}],
        "failed_parts": 2,
    }
    with ScriptedHttp(Answer(200, json.dumps(said).encode())) as server:
        assert ask(server.url) == Transcript(
            text="a b",
            segments=(Segment("a b", 0.0, 1.5, "A"),),
            words=(Word("a", 0.0, 1.0),),
            language="en",
            duration=1.5,
            failed_parts=2,
        )


def test_models_of_any_server() -> None:
    models = {"data": [{"id": "a", "loaded": False, "live": ["2pass"]}, {"id": "b"}]}
    with ScriptedHttp(Answer(200, json.dumps(models).encode())) as server:
        found = Client(server.url).models()
    assert found == [ServedModel("a", False, ("2pass",)), ServedModel("b")]
    with ScriptedHttp(Answer(200, b'{"data": 1}')) as server, pytest.raises(ServerError):
        Client(server.url).models()
