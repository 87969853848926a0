"""Who may come in: keys, how many at a time, and none while the server ends."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from safeasr.serve.problems import Problem, busy
from safeasr.serve.settings import Limits

__all__ = ["Gate", "Keys"]

_LONGEST_RETRY_S: Final = 60
#: Seconds of the past that say how fast recordings are answered.
_PACE_S: Final = 30.0
#: So long before the drain ends, utterances that still go on are ended by the server.
_FINISH_S: Final = 5.0


class Keys:
    """The API keys, compared so that nothing can be learned from how long it takes."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        """Keep them as bytes; none: anybody may come."""
        self._keys = [key.encode() for key in keys]

    def check(self, given: str | None) -> int | None:
        """Which of the keys it is, counted from 1; None where anybody may come.

        Raises:
            Problem: it is none of them (401).
        """
        if not self._keys:
            return None
        if not given:
            raise Problem(401, "an API key is needed", "missing_api_key")
        known = given.encode("utf-8", "surrogatepass")
        # All of them, in any case: which one it was shows in no time either.
        matches = [hmac.compare_digest(known, key) for key in self._keys]
        if not any(matches):
            raise Problem(401, "the API key is not one of this server's", "invalid_api_key")
        return matches.index(True) + 1


class Gate:
    """Counts who is inside, and refuses who is too many.

    Belongs to one event loop.
    """

    def __init__(self, limits: Limits, waiting: Callable[[], int] = lambda: 0) -> None:
        """Nobody is inside.

        Args:
            limits: see there.
            waiting: requests in the queues of the models now.
        """
        self._limits = limits
        self._waiting = waiting
        #: Recordings that are recognised or wait for it.
        self.requests = 0
        #: Uploads that arrive or are being answered.
        self.uploads = 0
        self.connections = 0
        #: Utterances that live clients are saying now.
        self.utterances = 0
        self.draining = False
        self._drain_began = math.inf
        self._of_client: Counter[str] = Counter()
        self._answered: deque[float] = deque(maxlen=512)
        self._changed = asyncio.Event()
        #: Called once when the server begins to end.
        self.on_drain: set[Callable[[], None]] = set()

    @contextmanager
    def request(self, client: str) -> Iterator[None]:
        """One recording, as long as it is worked on; also of an upload that the end came upon.

        Raises:
            Problem: 503 if the server is full, 429 if this client has too many.
        """
        limits = self._limits
        if self.requests >= limits.max_requests:
            raise busy("the server is full", "server_full", self.retry_after_s())
        if limits.max_waiting is not None and self._waiting() > limits.max_waiting:
            raise busy("too many requests wait already", "queue_full", self.retry_after_s())
        most = limits.max_requests_of_client
        if most is not None and self._of_client[client] >= most:
            raise Problem(
                429,
                f"at most {most} requests of one client at a time",
                "rate_limit_exceeded",
                "rate_limit_error",
                retry_after_s=self.retry_after_s(),
            )
        self.requests += 1
        self._of_client[client] += 1
        try:
            yield
        finally:
            self.requests -= 1
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]
            self._answered.append(time.monotonic())
            self._changed.set()

    @contextmanager
    def upload(self) -> Iterator[None]:
        """An upload, from its first byte to the answer. Raises a Problem (503)."""
        self.require_open()
        limits = self._limits
        if self.requests >= limits.max_requests or self.uploads >= limits.max_connections:
            raise busy("the server is full", "server_full", self.retry_after_s())
        self.uploads += 1
        try:
            yield
        finally:
            self.uploads -= 1
            self._changed.set()

    @contextmanager
    def connection(self) -> Iterator[None]:
        """A websocket, as long as it is open. Raises a Problem (503)."""
        self.require_open()
        if self.connections >= self._limits.max_connections:
            raise busy("too many connections", "server_full", 5)
        self.connections += 1
        try:
            yield
        finally:
            self.connections -= 1
            self._changed.set()

    @contextmanager
    def utterance(self) -> Iterator[None]:
        """What a live client says, from its first sound to its last answer.

        Raises:
            Problem: 503 if the server ends.
        """
        self.require_open()
        self.utterances += 1
        try:
            yield
        finally:
            self.utterances -= 1
            self._changed.set()

    def require_open(self) -> None:
        """Raise a Problem (503) while the server ends."""
        if self.draining:
            raise busy("the server is stopping", "draining", 5)

    def retry_after_s(self) -> int:
        """When there may be room again, from how fast answers have been leaving."""
        now = time.monotonic()
        recent = [at for at in self._answered if now - at < _PACE_S]
        if len(recent) < 2:
            return 1
        per_s = len(recent) / max(now - recent[0], 0.1)
        waiting = self._waiting() + 1
        return max(1, min(_LONGEST_RETRY_S, math.ceil(waiting / per_s)))

    def drain(self) -> None:
        """Take on nothing more; what is under way goes on."""
        if self.draining:
            return
        self.draining = True
        self._drain_began = time.monotonic()
        for tell in list(self.on_drain):
            tell()

    @property
    def draining_s(self) -> float:
        """For how long the server has been ending; 0 if it does not."""
        return max(0.0, time.monotonic() - self._drain_began)

    @property
    def in_a_hurry(self) -> bool:
        """Whether what still goes on will be cut off soon."""
        drain_s = self._limits.drain_s
        return self.draining and self.draining_s >= drain_s - min(_FINISH_S, drain_s / 2)

    async def until_empty(self) -> None:
        """Wait until nobody is inside."""
        while self.requests or self.uploads or self.connections:
            self._changed.clear()
            await self._changed.wait()
