"""What uvicorn has no limits for: the head of a request, and clients that never read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LimitedHeads", "hang_up_on_the_deaf"]

_HEAD_BYTES: Final = 64 << 10
_HEAD_S: Final = 20.0


class LimitedHeads(HttpToolsProtocol):
    """HTTP whose heads must come in time and may not be of any length."""

    _late: asyncio.TimerHandle | None = None
    _came = 0

    def connection_made(self, transport: Any) -> None:
        """The first head is awaited."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes while a head is not complete; the parser would keep all of it."""
        if self._late is not None:
            if self._came > _HEAD_BYTES:
                self.transport.abort()
                return
            self._came += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Another request on the same connection."""
        if self._late is None:
            self._expect()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The rest is limited by the application."""
        self._arrived()
        super().on_headers_complete()

    def _expect(self) -> None:
        self._came = 0
        self._late = self.loop.call_later(_HEAD_S, self._give_up)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        self.transport.abort()


def hang_up_on_the_deaf(listening: Iterable[Any], seconds: float) -> None:
    """End connections whose client reads nothing of what waits for it.

    An application cannot: what it has sent lies with the transport, which waits for ever even when
    it is told to close. The kernel does not.

    Args:
        listening: sockets; what they accept inherits it.
        seconds: that what was sent may wait.
    """
    for one in listening:
        if hasattr(socket, "TCP_USER_TIMEOUT") and one.family != socket.AF_UNIX:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * seconds))
