"""A websocket to a server under load: cheap to send on, and what comes is told at once.

Relied on: the asyncio client of `websockets` 13 or newer, its `process_event` and `transport`.
Pings are off, since their time limits end healthy sessions of busy servers; so are compression, the
limit of a message's length and the proxies of the environment, which would be measured too.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol

from safeasr.bench.targets.base import Options, RefusedError, TargetError
from safeasr.bench.targets.failures import (
    DisconnectedError,
    RequestError,
    TimedOutError,
    refusal_or_failure,
)
from safeasr.bench.targets.tls import certificate_error

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

__all__ = ["Channel", "Heard"]

#: How long the other end may take to close, in s; nobody waits for its answer any more then.
CLOSE_S = 1.0
#: The close code with which a server says that it is full.
TRY_AGAIN_LATER = 1013
#: A frame of a whole binary message from a client whose length is told in 16 bits.
_HEAD = struct.Struct("!BBH")
FINAL_BINARY, MASKED_16, SHORT, LONG = 0x82, 0xFE, 125, 65535
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
#: websockets 15 began to use the environment's proxies.
_NO_PROXY: dict[str, Any] = (
    {"proxy": None} if "proxy" in inspect.signature(connect.__init__).parameters else {}
)


class Heard(Protocol):
    """What is told of each message that comes, on the event loop."""

    def __call__(self, message: str | bytes, at: float) -> None:
        """`at` is when it came, by :func:`time.monotonic`; what this raises ends the session."""


class _Connection(ClientConnection):
    """Tells of messages where they are read, with neither a queue nor another task between.

    That is half of what a message costs, and tells the time more exactly. Messages in pieces, which
    nobody here sends, go the library's way, and so does all that comes after one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._told: Callable[[str, float], None] | None = None
        #: What came before someone listened.
        self._early: list[tuple[str, float]] = []
        self._whole = True

    def begin(self, told: Callable[[str, float], None]) -> None:
        """Tell of all messages, also of those that are there already."""
        for message, at in self._early:
            told(message, at)
        self._told = told

    def process_event(self, event: Any) -> None:
        """The library's hook for everything that comes."""
        opcode = getattr(event, "opcode", None)
        self._whole = self._whole and (event.fin if opcode in _DATA else True)
        if opcode is not Opcode.TEXT or not self._whole:
            super().process_event(event)
        elif self._told is not None:
            self._told(str(event.data, "utf-8", "replace"), time.monotonic())
        else:
            self._early.append((str(event.data, "utf-8", "replace"), time.monotonic()))


class Channel:
    """One connection, with one task that listens.

    Attributes:
        failure: why it cannot be used any more; None as long as it can, and after a plain close.
        closed: whether the other end is gone.
        news: set when something came that :meth:`wait` should look at; the owner sets it too.
        headers: of the server's answer to the handshake.
    """

    def __init__(self, connection: _Connection, heard: Heard) -> None:
        self._connection = connection
        self._heard = heard
        self.failure: Exception | None = None
        self.closed = False
        self.news = asyncio.Event()
        response = connection.response
        self.headers: Mapping[str, str] = response.headers if response is not None else {}
        # Not before the owner has been given this.
        asyncio.get_running_loop().call_soon(connection.begin, self._tell)
        self._listener = asyncio.ensure_future(self._listen())

    @classmethod
    async def open(
        cls,
        url: str,
        heard: Heard,
        options: Options,
        context: ssl.SSLContext | None,
        subprotocol: str | None = None,
    ) -> Channel:
        """Connect.

        Args:
            url: ws:// or wss://.
            heard: told of each message.
            options: `headers` and `timeout_s` of these.
            context: for wss, see :func:`safeasr.bench.targets.tls.tls`.
            subprotocol: to offer; the server need not take it.

        Raises:
            RefusedError: HTTP 429 or 503.
            TargetError: the address is none.
            RequestError: anything else.
        """
        try:
            connection = await connect(
                url,
                additional_headers=options.headers,
                subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
                ssl=context if url.startswith("wss:") else None,
                open_timeout=options.timeout_s,
                close_timeout=CLOSE_S,
                ping_interval=None,
                max_size=None,
                compression=None,
                create_connection=_Connection,
                **_NO_PROXY,
            )
            assert isinstance(connection, _Connection)
        except InvalidStatus as error:
            response = error.response
            body = bytes(response.body or b"").decode("utf-8", "replace")
            raise refusal_or_failure(
                response.status_code,
                body or response.reason_phrase,
                response.headers.get("Retry-After"),
            ) from error
        except InvalidURI as error:
            raise TargetError(f"{url} is not an address: {error}") from error
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TimedOutError(
                "timeout", f"no connection within {options.timeout_s:g} s"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise certificate_error(error.verify_message) from error
        except InvalidHandshake as error:
            raise RequestError("no websocket", error) from error
        except (OSError, EOFError) as error:
            raise RequestError("cannot connect", error) from error
        return cls(connection, heard)

    async def _listen(self) -> None:
        try:
            async for message in self._connection:
                self._tell(message, time.monotonic())
        except ConnectionClosed as error:
            self.failure = self.failure or _closed(error)
        finally:
            self.closed = True
            self.news.set()

    def _tell(self, message: str | bytes, at: float) -> None:
        if self.failure is not None:
            return
        try:
            self._heard(message, at)
        except Exception as error:
            self.failure = error
            self.news.set()
            self._connection.transport.abort()

    async def send_audio(self, data: bytes | memoryview) -> None:
        """:meth:`send` of a binary message at half the cost, as long as nothing waits to be sent.

        Raises:
            Exception: as `send`.
        """
        connection = self._connection
        if (
            self.failure is not None
            or connection.protocol.state is not State.OPEN
            or connection.transport.get_write_buffer_size()
            or not SHORT < len(data) <= LONG
        ):
            await self.send(data)
            return
        key = os.urandom(4)
        head = _HEAD.pack(FINAL_BINARY, MASKED_16, len(data)) + key
        connection.transport.write(head + apply_mask(data, key))

    async def send(self, message: str | bytes | memoryview) -> None:
        """Hand a message over; waits while the server does not take what was sent before.

        Raises:
            Exception: `failure`, or that the connection has ended.
        """
        if self.failure is not None:
            raise self.failure
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            # The listener may be about to read why.
            await asyncio.wait([self._listener], timeout=CLOSE_S)
            raise self.failure or _closed(error) from error

    async def wait(self, over: Callable[[], float | None], timeout_s: float) -> None:
        """Wait until all was said.

        Args:
            over: for how many more seconds silence would not mean that all was said; 0 if all was
                said, None if only a message can say so. Asked again whenever `news` is set.
            timeout_s: as long at most.

        Raises:
            TimedOutError: after `timeout_s`.
            Exception: `failure`, or that the connection has ended.
        """
        deadline = time.monotonic() + timeout_s
        while (patience := over()) is None or patience > 0:
            if self.failure is not None:
                raise self.failure
            if self.closed:
                raise DisconnectedError("closed early", "the server closed before it had said all")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOutError("timeout", f"no last answer within {timeout_s:g} s")
            self.news.clear()
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(
                    self.news.wait(), left if patience is None else min(left, patience)
                )
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """End the connection; what the server had still sent is heard before this returns."""
        await self._connection.close()
        await asyncio.wait([self._listener], timeout=CLOSE_S)
        self.abandon()

    def abandon(self) -> None:
        """End it without a word."""
        self._listener.cancel()
        with contextlib.suppress(Exception):
            self._connection.transport.abort()


def _closed(error: ConnectionClosed) -> Exception:
    code = error.rcvd.code if error.rcvd is not None else 1006
    reason = error.rcvd.reason if error.rcvd is not None else "without a close frame"
    if code == TRY_AGAIN_LATER:
        return RefusedError(f"closed {code}", reason)
    return DisconnectedError(f"closed {code}", reason)
