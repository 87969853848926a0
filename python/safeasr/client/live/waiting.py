"""Live sessions of programs that wait."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from safeasr.client import background
from safeasr.client.answers import Transcript
from safeasr.client.audio import as_pcm
from safeasr.client.live.events import Event
from safeasr.errors import ForkedProcessError

if TYPE_CHECKING:
    from safeasr.client.live.session import AsyncSession

__all__ = ["Session"]


class Session:
    """A live session: audio in, text out, as long as its ``with`` lasts.

    If the connection is lost (the server restarts, or the replica behind a balancer is gone), the
    session connects again, to the same address. It keeps the audio since the last finished sentence
    and sends it again, so that at most the open sentence is said anew; times go on as if nothing
    had happened, and a :class:`~safeasr.client.Reconnected` says that something has.

    Send in one thread and iterate in another, or call ``ready`` in between. Iteration ends when all
    was said after ``finish``. Any thread may call; the network is served by one thread for all
    sessions of the process.
    """

    def __init__(self, session: AsyncSession) -> None:
        """Connect to nothing yet.

        Args:
            session: does the work, on an event loop in the background.
        """
        self._session = session
        self._process = 0

    def __enter__(self) -> Session:
        self._process = os.getpid()
        background.run(self._session.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, samples: Any) -> None:
        """Hand over more audio; waits while too much of it waits to be sent.

        Args:
            samples: (n,) of one channel, int16 or floats in [-1, 1]; or bytes of 16-bit PCM. At the
                session's rate; n is any number.

        Raises:
            AudioError: they are no samples.
            ServerError: the session is lost; the class says why.
            RuntimeError: the session is finished, or not open.
            ForkedProcessError: it was opened by another process.
        """
        background.run(self._opened().send(as_pcm(samples)))

    def finish(self) -> None:
        """Say that this was all. Iterate on for the rest. Raises as :meth:`send`."""
        background.run(self._opened().finish())

    def ready(self) -> list[Event]:
        """The events that have come by now, without waiting; each is told once."""

        async def ready() -> list[Event]:
            return session.ready()

        session = self._opened()
        return background.run(ready())

    def transcript(self) -> Transcript:
        """All sentences of the session, once all was said after ``finish``. Raises as `send`."""
        return background.run(self._opened().transcript())

    def __iter__(self) -> Session:
        return self

    def __next__(self) -> Event:
        async def following() -> Event | None:
            try:
                return await session.__anext__()
            except StopAsyncIteration:  # which no future can tell
                return None

        session = self._opened()
        event = background.run(following())
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """Hang up; what was not said by now is not said any more."""
        if self._process == os.getpid():
            background.run(self._session.close())

    def _opened(self) -> AsyncSession:
        if self._process not in (0, os.getpid()):
            raise ForkedProcessError("a live session belongs to the process that opened it")
        return self._session
