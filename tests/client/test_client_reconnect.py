"""Live sessions whose connection is lost: what is sent again, what is told, when they give up."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("websockets", reason="live sessions are websockets")
from websockets.asyncio.server import ServerConnection

from safeasr import BadRequestError, ServerBusyError, ServerError, ServerUnreachableError
from safeasr.client import Client, Event, Final, Partial, Reconnected
from support.live_acts import SECOND_BYTES, Act, hear, hear_all, last, partial, pcm, sentence
from support.scripted import Heard, Refusal, ScriptedLive

pytestmark = pytest.mark.usefixtures("no_pauses")


def breaking(end: Callable[[ServerConnection], Awaitable[None]]) -> Act:
    """Says one sentence of 2 s and the beginning of another, then ends in some way."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 4)
        await connection.send(partial("on"))
        await connection.send(sentence("One.", 100, 2000))
        await connection.send(partial("tw"))
        await end(connection)

    return act


def closes(code: int) -> Callable[[ServerConnection], Awaitable[None]]:
    async def end(connection: ServerConnection) -> None:
        await connection.close(code, "why")

    return end


def tells(code: str) -> Callable[[ServerConnection], Awaitable[None]]:
    async def end(connection: ServerConnection) -> None:
        error = {"code": code, "message": "why"}
        await connection.send(json.dumps({"text": "", "is_final": True, "error": error}))
        await connection.wait_closed()

    return end


async def hang_up(connection: ServerConnection) -> None:
    connection.transport.close()


ENDS = {
    **{f"closed {code}": closes(code) for code in (1000, 1001, 1011, 1012, 1013)},
    **{code: tells(code) for code in ("draining", "queue_full", "audio_too_long", "failed")},
    "hung up": hang_up,
}


def all_of(url: str, **options: Any) -> list[Event]:
    with Client(url) as client, client.live(**options) as session:
        for at in range(0, 6 * SECOND_BYTES, SECOND_BYTES // 10):
            session.send(pcm(6)[at : at + SECOND_BYTES // 10])
        session.finish()
        return list(session)


@pytest.mark.parametrize("refused", [[], [Refusal(503, {"Retry-After": "0"}), Refusal(502)]])
@pytest.mark.parametrize("way", list(ENDS))
def test_the_open_sentence_is_said_anew(way: str, refused: list[Refusal]) -> None:
    acts = [breaking(ENDS[way]), *refused, last("Two.", 100, 3000)]
    with ScriptedLive(*acts) as server:
        events = all_of(server.url)
        first, second = server.heard
    reconnected = [one for one in events if isinstance(one, Reconnected)]
    assert [one for one in events if not isinstance(one, Reconnected)] == [
        Partial("on", "on"),
        Final("One.", 0.1, 2.0),
        Partial("tw", "tw"),
        Final("Two.", 2.1, 5.0),
    ]
    [one] = reconnected
    assert events.index(one) == 3
    assert one.lost == 0
    assert "why" in one.reason or "broke" in one.reason
    assert first.audio == pcm(6)[: len(first.audio)]
    assert second.audio == pcm(6)[2 * SECOND_BYTES :]
    assert len(first.audio) / SECOND_BYTES - 2 <= one.resent <= 4  # some was on its way
    assert second.said[0]["is_speaking"] is True


def test_more_than_once() -> None:
    """Each connection finishes a sentence of a second, and breaks."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        await connection.send(sentence("again", 0, 1000))
        await connection.close(1012)

    with ScriptedLive(*[act] * 5, last("end", 0, 1000)) as server:
        events = all_of(server.url)
        assert [one.start for one in events if isinstance(one, Final)] == [0, 1, 2, 3, 4, 5]
        assert sum(isinstance(one, Reconnected) for one in events) == 5
        assert server.heard[-1].audio == pcm(6)[5 * SECOND_BYTES :]


def test_the_end_is_said_again() -> None:
    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        await connection.close(1012)

    with ScriptedLive(act, last("All.", 0, 6000)) as server:
        assert [one for one in all_of(server.url) if isinstance(one, Final)] == [
            Final("All.", 0.0, 6.0)
        ]
        assert [heard.audio for heard in server.heard] == [pcm(6)] * 2


def test_what_is_not_kept_is_told() -> None:
    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        await connection.close(1012)

    with ScriptedLive(act, last("All.", 0, 1000)) as server:
        events = all_of(server.url, keep_s=2.0)
        assert next(one for one in events if isinstance(one, Reconnected)).lost == 4.0
        assert events[-1] == Final("All.", 4.0, 5.0), "times go on"
        assert server.heard[1].audio == pcm(6)[4 * SECOND_BYTES :]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (breaking(closes(1009)), BadRequestError),
        (breaking(tells("invalid_option")), BadRequestError),
        (Refusal(401), ServerError),
    ],
)
def test_what_is_no_use_to_repeat(act: Any, kind: type[ServerError]) -> None:
    with ScriptedLive(breaking(closes(1012)), act) as server:
        with pytest.raises(kind):
            all_of(server.url)
        assert server.handshakes == 2


@pytest.mark.parametrize("code", ["inference_failed", "internal_error", "unheard_of"])
def test_the_same_failure_twice(code: str) -> None:
    """Of a server that cannot do it, whatever connection it is."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        await connection.send(partial("on"))
        await tells(code)(connection)

    with ScriptedLive(act) as server:
        with pytest.raises(ServerError, match="why") as raised:
            all_of(server.url)
        assert raised.value.code == code
        assert server.handshakes == 2


@pytest.mark.parametrize("kind", [ServerBusyError, ServerUnreachableError])
def test_patience_has_an_end(kind: type[ServerError]) -> None:
    async def in_the_middle(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        await connection.send(partial("on"))
        await connection.close(1012)

    then = Refusal(503) if kind is ServerBusyError else in_the_middle
    with ScriptedLive(in_the_middle, then) as server:
        client = Client(server.url)
        with client.live(reconnect_s=0.3) as session:
            session.send(pcm(2))
            with pytest.raises(kind):
                for _ in session:
                    pass
            with pytest.raises(kind):
                session.send(pcm(1))
            with pytest.raises(kind):
                session.transcript()


def test_a_server_that_is_full_at_first() -> None:
    full = Refusal(503, {"Retry-After": "0"}, '{"error": {"message": "full"}}')
    with ScriptedLive(full, full, last("One.", 0, 1000)) as server:
        assert all_of(server.url) == [Final("One.", 0.0, 1.0)]
    with ScriptedLive(full) as server, pytest.raises(ServerBusyError, match="full"):
        Client(server.url, retry_s=0.2).live().__enter__()


def test_who_pauses_for_long_is_let_in_again_when_there_is_more() -> None:
    """Servers end sessions in which nothing happens. So long as nothing does, nobody comes back."""

    async def idle(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        await connection.send(sentence("One.", 0, 900))
        await connection.close(1008, "nothing came for too long")

    with ScriptedLive(idle, last("Two.", 100, 1000)) as server, Client(server.url) as client:
        with client.live() as session:
            session.send(pcm(1))
            assert next(session) == Final("One.", 0.0, 0.9)
            time.sleep(0.2)
            assert len(server.heard) == 1
            session.send(pcm(2)[SECOND_BYTES:])
            session.finish()
            reconnected, final = list(session)
        assert isinstance(reconnected, Reconnected)
        assert final == Final("Two.", 1.0, 1.9)
        assert server.heard[1].audio == pcm(2)[int(0.9 * SECOND_BYTES) :]


def test_audio_waits_while_there_is_no_connection() -> None:
    """As much of it as is kept; whoever gives more waits until there is one."""
    refused = [Refusal(503, {"Retry-After": "0"})] * 7
    with ScriptedLive(breaking(closes(1012)), *refused, last("Two.", 0, 1000)) as server:
        assert all_of(server.url, keep_s=3.0)[-1] == Final("Two.", 2.0, 3.0)
        assert server.heard[1].audio == pcm(6)[2 * SECOND_BYTES :]


@pytest.mark.parametrize("ended", [False, True])
def test_a_server_that_is_gone_without_a_word(monkeypatch: pytest.MonkeyPatch, ended: bool) -> None:
    """Its machine fell over: nothing comes, and nothing is taken."""
    for name, seconds in {"_LOOK_S": 0.02, "_ASK_S": 0.05, "_GONE_S": 0.2}.items():
        monkeypatch.setattr(f"safeasr.client.live.conversation.{name}", seconds)

    async def gone(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        connection.transport.pause_reading()
        await connection.wait_closed()

    with ScriptedLive(gone, last("All.", 0, 6000)) as server:
        session = Client(server.url).live()
        with session:
            session.send(pcm(6))
            if ended:
                session.finish()
            reconnected = next(session)
            assert isinstance(reconnected, Reconnected)
            assert "has not moved" in reconnected.reason
            if not ended:
                session.finish()
            assert list(session) == [Final("All.", 0.0, 6.0)]


def test_a_server_that_says_goodbye_and_does_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safeasr.client.live.conversation._LOOK_S", 0.05)
    monkeypatch.setattr("safeasr.client.live.channel._CLOSE_S", 0.05)

    async def stays(connection: ServerConnection, heard: Heard) -> None:
        await hear(connection, heard, 1)
        goodbye = connection.protocol
        goodbye.send_close(1012, "why")
        connection.transport.pause_reading()  # so that it never hears ours
        connection.transport.write(b"".join(goodbye.data_to_send()))
        await connection.wait_closed()

    with ScriptedLive(stays, last("All.", 0, 6000)) as server:
        assert all_of(server.url)[-1] == Final("All.", 0.0, 6.0)
