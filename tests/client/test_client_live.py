"""Live sessions: what is sent, and what is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("websockets", reason="live sessions are websockets")
from websockets.asyncio.server import ServerConnection

from safeasr import (
    AudioError,
    OptionError,
)
from safeasr.client import AsyncClient, Client, Event, Final, PartFailed, Partial, Transcript
from support.live_acts import END, SECOND, all_of, says
from support.scripted import Heard, ScriptedLive
from support.waiting import until


def test_what_a_session_says_of_itself() -> None:
    with ScriptedLive(says(END)) as server:
        options: dict[str, Any] = {"mode": "online", "fs": 8000, "model": "a b", "itn": False}
        more = {"language": "zh", "hotwords": "魔搭 二", "options": {"chunk_size": [0, 8, 4]}}
        key = {"api_key": "secret"}
        assert all_of(server.url, b"\1\0" * 800, client=key, **options, **more) == []
        [heard] = server.heard
    assert heard.path == "/?model=a%20b"
    assert heard.headers["authorization"] == "Bearer secret"
    first, last = heard.said
    for name, value in {
        "mode": "online",
        "audio_fs": 8000,
        "hotwords": "魔搭 二",
        "svs_lang": "zh",
        "itn": False,
        "chunk_size": [0, 8, 4],
        "chunk_interval": 6,
        "wav_format": "pcm",
        "is_speaking": True,
    }.items():
        assert first[name] == value, name
    assert last == {"is_speaking": False, "is_end": True}
    assert heard.audio == b"\1\0" * 800


def test_hotwords_with_spaces_go_as_json() -> None:
    with ScriptedLive(says(END)) as server:
        all_of(server.url, hotwords=["open the door", "go"])
        words = json.loads(server.heard[0].said[0]["hotwords"])
    assert list(words) == ["open the door", "go"]


def test_samples_of_every_kind_and_length() -> None:
    rng = np.random.default_rng(0)
    pieces: list[NDArray[np.int16]] = [
        rng.integers(-(2**15), 2**15, n, dtype=np.int16) for n in (0, 1, 7, 40_000, 0, 3)
    ]
    with ScriptedLive(says(END)) as server:
        with Client(server.url) as client, client.live() as session:
            for piece in pieces:
                session.send(piece)
                session.send(piece.tobytes())
                session.send(piece / np.float32(32768))
                session.send((piece / 32768).tolist())
            session.finish()
            assert list(session) == []
        assert server.heard[0].audio == b"".join(piece.tobytes() * 4 for piece in pieces)


def test_what_is_told() -> None:
    messages = (
        {"mode": "2pass-online", "text": "one"},
        {"mode": "2pass-online", "text": " two", "start_time": 100, "end_time": 900},
        {
            "mode": "2pass-offline",
            "text": " One, two.",
            "timestamp": "[[100, 500], [500, 950]]",
            "stamp_sents": [{"start": 50, "end": 900}],
            "spk_name": "spk1",
        },
        {"mode": "2pass-offline", "text": "", "error": {"code": "inference_failed"}},
        {"mode": "2pass-online", "text": "三"},
        {"mode": "2pass-offline", "text": "三", "error": {"code": "partly_failed", "message": "x"}},
        END,
    )
    with ScriptedLive(says(*messages)) as server, Client(server.url) as client:
        with client.live() as session:
            session.send(SECOND)
            session.finish()
            assert list(session) == [
                Partial("one", "one"),
                Partial("one two", " two", 0.1, 0.9),
                Final("One, two.", 0.05, 0.95, "spk1"),
                PartFailed("inference_failed", ""),
                Partial("三", "三"),
                Final("三"),
                PartFailed("partly_failed", "x"),
            ]
            said = session.transcript()
        assert said.text == "One, two. 三"
        assert isinstance(said, Transcript)
        assert said.duration == 1.0
        assert [one.speaker for one in said.segments] == ["spk1"]


def test_text_of_the_first_pass_alone() -> None:
    pieces = [{"mode": "2pass-online", "text": text} for text in ("hel", "lo", " you")]
    with ScriptedLive(says(*pieces, END)) as server:
        assert all_of(server.url, mode="online")[-1] == Final("hello you")


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "office"},
        {"fs": 100},
        {"fs": 16000.5},
        {"fs": True},
        {"keep_s": -1},
        {"reconnect_s": "long"},
    ],
)
def test_sessions_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Client("http://127.0.0.1:1").live(**options)


def test_what_is_no_audio() -> None:
    with ScriptedLive(says(END)) as server:
        client = Client(server.url)
        with client.live() as session:
            for samples in (b"odd", "text", np.zeros((2, 2)), np.zeros(3, np.int64), [np.inf]):
                with pytest.raises(AudioError):
                    session.send(samples)
            session.finish()
            assert list(session) == []


def test_sending_when_one_may_not() -> None:
    with ScriptedLive(says(END)) as server, Client(server.url) as client:
        session = client.live()
        with pytest.raises(RuntimeError, match="not open"):
            session.send(SECOND)
        with session:
            session.finish()
            with pytest.raises(RuntimeError, match="finished"):
                session.send(SECOND)
        with pytest.raises(RuntimeError):
            session.finish()


def test_whoever_leaves_early_hears_no_more() -> None:
    with ScriptedLive(says(END)) as server, Client(server.url) as client:
        with client.live() as session:
            session.send(SECOND)
        until(lambda: server.under_way == 0)
        assert list(session) == []


def test_one_thread_sends_and_another_iterates() -> None:
    async def echo(connection: ServerConnection, heard: Heard) -> None:
        async for message in connection:
            heard.take(message)
            if isinstance(message, bytes):
                text = {"mode": "2pass-online", "text": f"{len(message)} "}
                await connection.send(json.dumps(text))
            elif heard.said[-1].get("is_end"):
                await connection.send(json.dumps(END))

    events: list[Event] = []
    with ScriptedLive(echo) as server, Client(server.url) as client, client.live() as session:
        reader = threading.Thread(target=lambda: events.extend(session))
        reader.start()
        for number in range(20):
            session.send(b"\0\0" * 160)
            until(lambda sent=number: len(events) > sent)  # type: ignore[misc]
        session.finish()
        reader.join(60)
    assert [one.added for one in events if isinstance(one, Partial)] == ["320 "] * 20


def test_asyncio() -> None:
    messages = ({"mode": "2pass-online", "text": "a"}, {"mode": "2pass-offline", "text": "A."}, END)

    async def main(url: str) -> None:
        async with AsyncClient(url) as client:
            sessions = [client.live() for _ in range(10)]

            async def one(session: Any) -> list[Event]:
                async with session:
                    await session.send(SECOND)
                    await session.finish()
                    return [event async for event in session]

            for events in await asyncio.gather(*map(one, sessions)):
                assert events == [Partial("a", "a"), Final("A.")]

    with ScriptedLive(says(*messages)) as server:
        asyncio.run(main(server.url))


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """However many sessions there are, one thread serves them."""
    yield
    assert sum(one.name == "safeasr-client" for one in threading.enumerate()) <= 1
