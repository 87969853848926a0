"""Events that the server sends, in the words of OpenAI's SDK."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

from safeasr.serve.problems import Problem
from safeasr.serve.sockets import Socket

__all__ = ["Events"]


class Events:
    """Sends events of one session; each has a name of its own."""

    def __init__(self, socket: Socket) -> None:
        """Nothing was sent yet."""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._prefix = os.urandom(4).hex()
        self._before: str | None = None

    def name(self, kind: str) -> str:
        """A name for an event, an item, or a session."""
        return f"{kind}_{self._prefix}{next(self._numbers):06x}"

    async def send(self, kind: str, **fields: Any) -> None:
        """One event. Raises GoneError."""
        event = {"type": kind, "event_id": self.name("event"), **fields}
        await self._socket.send(json.dumps(event, ensure_ascii=False))

    async def error(self, problem: Problem, event: str | None = None) -> None:
        """What the client did wrong; the session goes on."""
        error = {**problem.body()["error"], "event_id": event}
        await self.send("error", error=error)

    async def committed(self, item: str) -> None:
        """A turn is over."""
        before, self._before = self._before, item
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=before)

    async def delta(self, item: str, text: str) -> None:
        """A piece of a turn's text."""
        await self._of_item("delta", item, delta=text)

    async def completed(self, item: str, text: str, seconds: float) -> None:
        """All of a turn's text."""
        usage = {"type": "duration", "seconds": round(seconds, 3)}
        await self._of_item("completed", item, transcript=text, usage=usage)

    async def failed(self, item: str, problem: Problem) -> None:
        """A turn has no text."""
        await self._of_item("failed", item, error=problem.body()["error"])

    async def _of_item(self, what: str, item: str, **fields: Any) -> None:
        kind = f"conversation.item.input_audio_transcription.{what}"
        await self.send(kind, item_id=item, content_index=0, **fields)
