"""What scripted servers of live sessions do, and a session that says all and hears all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection

from safeasr.client import Client, Event
from support.scripted import Heard

__all__ = ["END", "SECOND", "all_of", "says", "until_end"]

SECOND = np.zeros(16000, np.int16)
#: The last message of an utterance in which nothing was said.
END = {"mode": "2pass-offline", "text": "", "is_final": True, "is_end": True}


async def until_end(connection: ServerConnection, heard: Heard) -> None:
    """Listen until the client has said all."""
    async for message in connection:
        heard.take(message)
        if heard.said and heard.said[-1].get("is_speaking") is False:
            return


def says(*messages: dict[str, Any]) -> Callable[[ServerConnection, Heard], Any]:
    """Listens to the end and then says these."""

    async def act(connection: ServerConnection, heard: Heard) -> None:
        await until_end(connection, heard)
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
