"""Sessions of one pass: what ends a sentence, and what a lost connection has said anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("websockets", reason="live sessions are websockets")
from websockets.asyncio.server import ServerConnection

from safeasr.client import Client, Final, Partial, Reconnected
from support.live_acts import END, SECOND_BYTES, Act, all_of, hear, hear_all, partial, pcm, says
from support.scripted import Heard, ScriptedLive

pytestmark = pytest.mark.usefixtures("no_pauses")


def ended(text: str, begin: int, end: int) -> dict[str, Any]:
    """The last piece of a segment."""
    times = {"start_time": begin, "end_time": end, "slice_type": 2}
    return {"mode": "2pass-online", "text": text, "is_final": False, **times}


def breaking(seconds: float, *messages: str) -> Act:
    """Hears so much, says all of it, and breaks."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        for number, message in enumerate(messages):
            await hear(connection, heard, seconds * (number + 1) / len(messages))
            await connection.send(message)
        await connection.close(1012)

    return act


def test_segments_that_end() -> None:
    """With a last piece, without one, and with nothing said in them at all."""
    messages = (
        {"mode": "2pass-online", "text": "one"},
        ended(" two", 100, 900),
        {"mode": "2pass-online", "text": " three"},
        ended("", 1000, 1900),
        ended("", 2000, 2500),
        {"mode": "2pass-online", "text": " four"},
    )
    with ScriptedLive(says(*messages, END)) as server:
        assert all_of(server.url, pcm(3), mode="online") == [
            Partial("one", "one"),
            Partial("one two", " two", 0.1, 0.9),
            Final("one two", 0.1, 0.9),
            Partial("three", " three"),
            Final("three", 1.0, 1.9),
            Partial("four", " four"),
            Final("four"),
        ]


def test_the_open_sentence_is_said_anew() -> None:
    first = breaking(4, partial("one"), json.dumps(ended("", 100, 2000)), partial(" tw"))

    async def rest(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        await connection.send(json.dumps(ended("two", 100, 3000) | {"is_final": True}))
        await connection.send(json.dumps(END))

    with ScriptedLive(first, rest) as server:
        events = all_of(server.url, pcm(6), mode="online")
        assert server.heard[1].audio == pcm(6)[2 * SECOND_BYTES :]
    assert [one for one in events if isinstance(one, Final)] == [
        Final("one", 0.1, 2.0),
        Final("two", 2.1, 5.0),
    ]
    assert [one.lost for one in events if isinstance(one, Reconnected)] == [0]


@pytest.mark.parametrize(("keep_s", "stands"), [(2.0, "0 1 2 3 4"), (1e3, "")])
def test_of_what_nobody_ends_what_was_understood_stands(keep_s: float, stands: str) -> None:
    """Where its audio is not kept any more; all else is said anew."""
    first = breaking(6, *(partial(f"{number} ") for number in range(6)))
    with ScriptedLive(first, says({"mode": "2pass-online", "text": "rest"}, END)) as server:
        with Client(server.url) as client:
            with client.live(mode="online", keep_s=keep_s) as session:
                events = []
                for number in range(6):
                    session.send(pcm(6)[number * SECOND_BYTES :][:SECOND_BYTES])
                    events.append(next(session))  # before more is sent
                session.finish()
                events += session
            text = session.transcript().text
        again = server.heard[1].audio
    assert [one.added for one in events[:6] if isinstance(one, Partial)] == [
        f"{number} " for number in range(6)
    ]
    finals = [one.text for one in events if isinstance(one, Final)]
    assert finals == ([stands] if stands else []) + ["rest"]
    assert text == f"{stands} rest".strip()
    # What was told at 5 s may have begun before 4 s.
    begin = 4 if stands else 0
    assert again == pcm(6)[begin * SECOND_BYTES :]
    assert [one.lost for one in events if isinstance(one, Reconnected)] == [begin]
