"""Streamed answers: pieces of the text, and answers that break off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from safeasr import ServerBusyError, ServerError, ServerUnreachableError
from safeasr.client import AsyncClient, Client
from support.scripted import Answer, ScriptedHttp

pytestmark = pytest.mark.usefixtures("no_pauses")
Read = Callable[[str], list[str]]


def waiting(url: str) -> list[str]:
    with Client(url) as client:
        return list(client.transcribe_iter(b"x"))


def looping(url: str) -> list[str]:
    async def read() -> list[str]:
        async with AsyncClient(url) as client:
            return [piece async for piece in client.transcribe_iter(b"x")]

    return asyncio.run(read())


@pytest.fixture(params=[waiting, looping])
def read(request: pytest.FixtureRequest) -> Read:
    """Reads a streamed answer, from a thread or on an event loop."""
    found: Read = request.param
    return found


def told(*deltas: str, done: bool = True, breaks: bool = False) -> Answer:
    events = [{"type": "transcript.text.delta", "delta": one} for one in deltas]
    if done:
        events.append({"type": "transcript.text.done", "text": "".join(deltas)})
    lines = [f"data: {json.dumps(one)}\n\n" for one in events]
    return Answer(200, "".join(lines).encode(), breaks=breaks)


def test_pieces_are_the_text(read: Read) -> None:
    with ScriptedHttp(told("One.", " Two.", " 三。")) as server:
        assert "".join(read(server.url)) == "One. Two. 三。"
        assert b'name="stream"\r\n\r\ntrue' in server.bodies[0]


@pytest.mark.parametrize(
    "first",
    [
        told("One.", " Two.", done=False, breaks=True),
        told("One.", " Tw", done=False),
        Answer(503, headers={"Retry-After": "0"}),
        told(done=False, breaks=True),
    ],
    ids=["cut", "ended early", "busy", "cut at once"],
)
def test_what_was_said_is_not_said_twice(read: Read, first: Answer) -> None:
    with ScriptedHttp(first, told("One.", " Two.", " Three.")) as server:
        pieces = read(server.url)
        assert "".join(pieces) == "One. Two. Three."
        assert len(server.bodies) == 2


def test_a_second_answer_in_other_words(read: Read) -> None:
    first = told("One.", done=False, breaks=True)
    with ScriptedHttp(first, told("Won.")) as server, pytest.raises(ServerError, match="other"):
        read(server.url)


def test_errors_in_the_middle(read: Read) -> None:
    error = json.dumps({"error": {"message": "it broke", "code": "inference_failed"}})
    broken = Answer(
        200, told("One.", done=False).body + f"event: error\ndata: {error}\n\n".encode()
    )
    with ScriptedHttp(broken) as server:
        with pytest.raises(ServerError, match="it broke") as raised:
            read(server.url)
        assert raised.value.code == "inference_failed"
        assert len(server.bodies) == 1
    full = Answer(200, broken.body.replace(b"inference_failed", b"queue_full"))
    with ScriptedHttp(full, told("One.", " Two.")) as server:
        assert "".join(read(server.url)) == "One. Two."


def test_what_is_no_stream(read: Read) -> None:
    with ScriptedHttp(Answer(200, b"data: 5\n\n")) as server:
        url = server.url
        with pytest.raises(ServerError, match="no transcript"):
            read(url)


def test_a_server_that_never_comes_to_the_end() -> None:
    with ScriptedHttp(told("One.", done=False)) as server, Client(server.url, retry_s=0) as client:
        pieces = client.transcribe_iter(b"x")
        assert next(pieces) == "One."
        with pytest.raises(ServerUnreachableError, match="broke off"):
            next(pieces)
    with ScriptedHttp(Answer(503)) as server, pytest.raises(ServerBusyError):
        next(Client(server.url, retry_s=0).transcribe_iter(b"x"))


def test_who_needs_no_more_hears_no_more() -> None:
    with ScriptedHttp(told("One.", " Two.")) as server, Client(server.url) as client:
        pieces = client.transcribe_iter(b"x")
        assert next(pieces) == "One."
        pieces.close()  # type: ignore[attr-defined]
        assert len(server.bodies) == 1
