"""Servers that do what a test says, one act after the other, and a proxy that can be cut.

::

    with ScriptedHttp(Answer(503, headers={"Retry-After": "0"}), Answer(200, b"{}")) as server:
        ...  # server.url, server.bodies

    with ScriptedLive(Refusal(503), speak) as server:  # async def speak(connection): ...
        ...  # server.url, server.heard

    with Proxy(port) as proxy:
        proxy.cut(); proxy.port_behind = another
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from support.bench_servers import ServerThread

__all__ = ["Answer", "Heard", "Proxy", "Refusal", "ScriptedHttp", "ScriptedLive"]


@dataclass(frozen=True)
class Answer:
    """One answer of a :class:`ScriptedHttp`.

    Attributes:
        status: of HTTP.
        body: all of it.
        headers: beside its length.
        breaks: whether the connection is cut in the middle of it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False


class ScriptedHttp(ServerThread):
    """Gives its answers in turn, and the last one again and again.

    Attributes:
        heads: of the requests, as they came.
        bodies: likewise.
    """

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self._answers = list(answers)
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._writers: set[asyncio.StreamWriter] = set()

    async def stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                self.heads.append(head)
                lengths = [
                    int(line.split(":")[1])
                    for line in head.splitlines()
                    if line.lower().startswith("content-length")
                ]
                body = await reader.readexactly(lengths[0]) if lengths else b""
                self.bodies.append(body)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                writer.write(_written(answer))
                await writer.drain()
                if answer.breaks:
                    break
        self._writers.discard(writer)
        writer.close()


def _written(answer: Answer) -> bytes:
    length = len(answer.body) + (100 if answer.breaks else 0)
    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body


@dataclass(frozen=True)
class Refusal:
    """An act of a :class:`ScriptedLive`: no websocket, but a status."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class Heard:
    """What came on one connection.

    Attributes:
        path: with the query.
        headers: of the handshake.
        said: messages that were text.
        audio: all others together.
    """

    path: str
    headers: dict[str, str]
    said: list[dict[str, Any]] = field(default_factory=list)
    audio: bytes = b""

    def take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.said.append(json.loads(message))
        else:
            self.audio += message


Act = Callable[[ServerConnection, Heard], Awaitable[None]]


class ScriptedLive(ServerThread):
    """Does its acts with one connection after the other, the last one again and again.

    Attributes:
        heard: what came on each connection that was accepted.
        handshakes: how many there were, with those that were refused.
    """

    scheme = "ws"

    def __init__(self, *acts: Act | Refusal) -> None:
        super().__init__()
        self._acts = list(acts)
        self.heard: list[Heard] = []
        self.handshakes = 0
        self._next: dict[ServerConnection, Act] = {}
        self._connections: set[ServerConnection] = set()

    async def listen(self) -> None:
        self._server = await serve(
            self._served,
            "127.0.0.1",
            0,
            process_request=self._look,
            max_size=None,
            # So that an act that does not listen still hears that a client leaves.
            max_queue=1 << 16,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()
        self._server.close(close_connections=False)

    def _look(self, connection: ServerConnection, request: Any) -> Any:
        self.handshakes += 1
        act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
        if isinstance(act, Refusal):
            response = connection.respond(act.status, act.body)
            for name, value in act.headers.items():
                response.headers[name] = value
            return response
        self._next[connection] = act
        self.heard.append(Heard(request.path, dict(request.headers)))
        return None

    async def _served(self, connection: ServerConnection) -> None:
        heard = self.heard[-1]
        self._connections.add(connection)
        with contextlib.suppress(ConnectionClosed), self.counted():
            await self._next.pop(connection)(connection, heard)
        self._connections.discard(connection)


class Proxy(ServerThread):
    """Passes connections on, until it is told otherwise: a load balancer, or a bad line.

    Attributes:
        port_behind: where new connections lead.
        connections: how many there were.
    """

    def __init__(self, port_behind: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self.port_behind = port_behind
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self._abort()

    def cut(self) -> None:
        """Break all connections."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.port_behind)
        except OSError:
            writer.transport.abort()
            return
        writers = {writer, behind[1]}
        self._writers |= writers
        try:
            await asyncio.gather(_pass(reader, behind[1]), _pass(behind[0], writer))
        finally:
            self._writers -= writers
            for one in writers:
                one.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
