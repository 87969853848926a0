"""Turns of a realtime session, however they end."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr.serve.problems import Problem
from safeasr.serve.realtime.events import Events
from safeasr.serve.realtime.session import Session
from safeasr.serve.service import Service
from safeasr.serve.shelf import Served
from safeasr.serve.sockets import Socket

__all__ = ["SHORTEST_MS", "Turns", "TurnsBase", "empty"]

#: Less than that is no turn, as OpenAI has it.
SHORTEST_MS: Final = 100


class Turns(Protocol):
    """What becomes of the samples of a session."""

    @property
    def rest(self) -> bool:
        """Whether nothing is said or answered just now."""

    async def hear(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples (n,)."""

    async def commit(self) -> None:
        """The client says that the turn is over. Raises a Problem if nothing was said."""

    async def clear(self) -> None:
        """Forget the turn."""

    async def settle(self) -> None:
        """Wait until all that was committed is answered."""

    async def close(self) -> None:
        """Take back what waits."""


class TurnsBase:
    """What both kinds need."""

    def __init__(self, service: Service, socket: Socket, events: Events, session: Session) -> None:
        """Nothing was heard yet."""
        self._service = service
        self._socket = socket
        self._events = events
        self._session = session

    def asked(self, served: Served) -> dict[str, Any]:
        """Options that the client asks for and the model knows."""
        words = list(self._session.hotwords) or None
        options = served.asked(hotword=words, language=self._session.language)
        if served.has_speakers:
            options["return_spk_res"] = False  # its events have no place for them
        return options

    def problem(self, error: BaseException) -> Problem:
        """What the client is told of an error, and the log of what only that explains."""
        return self._service.problem(error, self._socket.number)


def empty() -> Problem:
    """Of a commit without audio."""
    return Problem(
        400,
        f"nothing to commit: a turn needs at least {SHORTEST_MS} ms of audio",
        "input_audio_buffer_commit_empty",
    )
