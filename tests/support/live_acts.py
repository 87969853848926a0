"""What scripted servers of live sessions do, and a session that says all and hears all."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection

from safeasr.client import Client, Event
from support.scripted import Heard

__all__ = [
    "END",
    "SECOND",
    "SECOND_BYTES",
    "Act",
    "all_of",
    "hear",
    "hear_all",
    "last",
    "partial",
    "pcm",
    "says",
    "sentence",
]

SECOND = np.zeros(16000, np.int16)
SECOND_BYTES = 32000
Act = Callable[[ServerConnection, Heard], Awaitable[None]]
#: The last message of an utterance in which nothing was said.
END = {"mode": "2pass-offline", "text": "", "is_final": True, "is_end": True}


def says(*messages: dict[str, Any]) -> Act:
    """Listens to the end and then says these."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        for message in messages:
            await connection.send(json.dumps(message))
        await connection.wait_closed()

    return act


def all_of(url: str, samples: Any = SECOND, *, client: Any = None, **options: Any) -> list[Event]:
    """The events of a session that hears these samples."""
    with Client(url, **(client or {})) as one, one.live(**options) as session:
        session.send(samples)
        session.finish()
        return list(session)


def pcm(seconds: int) -> bytes:
    """Samples of which none is like another nearby."""
    return np.arange(16000 * seconds, dtype="<u4").astype("<u2").tobytes()


def sentence(text: str, begin: int, end: int, **more: Any) -> str:
    stamps = [{"start": begin, "end": end}]
    said = {"mode": "2pass-offline", "text": text, "stamp_sents": stamps, "is_final": False}
    return json.dumps({**said, **more})


def partial(text: str) -> str:
    return json.dumps({"mode": "2pass-online", "text": text, "is_final": False})


async def hear(connection: ServerConnection, heard: Heard, seconds: float) -> None:
    """Listen until there was so much."""
    while len(heard.audio) < seconds * SECOND_BYTES:
        heard.take(await connection.recv())


async def hear_all(connection: ServerConnection, heard: Heard) -> None:
    """Listen until the client has said all."""
    while not heard.said or not heard.said[-1].get("is_end"):
        heard.take(await connection.recv())


def last(text: str, begin: int, end: int) -> Act:
    """Hears all and says the last sentence."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        await connection.send(sentence(text, begin, end, is_final=True, is_end=True))
        await connection.wait_closed()

    return act
