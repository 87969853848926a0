"""A websocket to a server, with this package's errors.

The library's pings with time limits are off: they end healthy sessions of busy servers. So are
compression, which does nothing for audio, and the limit of a message's length.
"""

from __future__ import annotations

import asyncio
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State
from websockets.typing import Subprotocol

from safeasr.client.failures import error_of_status
from safeasr.client.settings import Settings
from safeasr.printable import printable
from safeasr.server_errors import (
    BadRequestError,
    ServerBusyError,
    ServerError,
    ServerUnreachableError,
)

__all__ = ["Channel"]

_OPEN_S: Final = 10.0
_CLOSE_S: Final = 1.0
_TOO_BIG: Final = 1009
_LATER: Final = 1013
#: Close codes of servers that found something wrong. All others are of those that end.
_ANGRY: Final = frozenset({1002, 1003, 1007, 1008, 1010, 1011})


class Channel:
    """One connection. Belongs to one event loop."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str, settings: Settings) -> Channel:
        """Connect.

        Raises:
            ServerError: there is no connection; which class says why.
        """
        shown = settings.address.shown
        try:
            connection = await connect(
                url,
                additional_headers=settings.headers,
                # FunASR's Python server may refuse who does not offer this.
                subprotocols=[Subprotocol("binary")],
                ssl=settings.tls,
                open_timeout=min(_OPEN_S, settings.timeout),
                close_timeout=_CLOSE_S,
                ping_interval=None,
                max_size=None,
                compression=None,
            )
        except InvalidStatus as error:
            response = error.response
            content = bytes(response.body or b"")
            phrase = response.reason_phrase
            status = error_of_status(response.status_code, content, response.headers, phrase)
            raise status from error
        except WebSocketException as error:
            raise ServerError(f"{shown} speaks no websocket: {printable(error)}") from error
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise ServerUnreachableError(f"{shown} cannot be reached: no answer") from error
        except (OSError, EOFError) as error:
            reason = printable(error) or type(error).__name__
            raise ServerUnreachableError(f"{shown} cannot be reached: {reason}") from error
        return cls(connection)

    async def send(self, message: str | bytes) -> None:
        """Hand a message over; waits while the network does not take it.

        Raises:
            ServerError: the connection has ended; the class and `code` say why.
        """
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        """The next message. Raises as :meth:`send`. To cancel it loses nothing."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def confirm(self) -> asyncio.Future[float]:
        """Ask the server to confirm what it was sent; done when it has. Raises as :meth:`send`."""
        try:
            waiter = await self._connection.ping()
        except ConnectionClosed as error:
            raise _closed(error) from error
        confirmed = asyncio.ensure_future(waiter)
        confirmed.add_done_callback(_look_at)
        return confirmed

    @property
    def closing(self) -> bool:
        """Whether the server has said goodbye, but still holds the line."""
        return self._connection.state is State.CLOSING

    async def close(self) -> None:
        """End the connection, politely if the other end is there."""
        await self._connection.close()


def _look_at(confirmed: asyncio.Future[float]) -> None:
    """Whoever receives is told that the connection has ended; asyncio need not complain, too."""
    if not confirmed.cancelled():
        confirmed.exception()


def _closed(error: ConnectionClosed) -> ServerError:
    if error.rcvd is None:
        return ServerUnreachableError("the connection broke", code="1006")
    code, reason = error.rcvd.code, printable(error.rcvd.reason)
    said = f"the server closed the session: {reason or 'no reason given'} ({code})"
    if code == _LATER:
        return ServerBusyError(said, code=str(code))
    if code == _TOO_BIG:
        return BadRequestError(said, code=str(code))
    if code in _ANGRY:
        return ServerError(said, code=str(code))
    return ServerUnreachableError(said, code=str(code))
