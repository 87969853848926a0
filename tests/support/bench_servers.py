"""Servers to put under load: right protocols, made-up recognition, faults on demand.

What is "recognised" depends on the samples alone, so an answer that belongs to other audio shows.
Each server runs in a thread of its own with an event loop of its own::

    with HttpServer(Behaviour(service_s=0.02, workers=2)) as server:
        ...  # server.url, server.asked, server.behaviour.wrong = 0.1, server.die()
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import threading
import wave
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Behaviour", "HttpServer", "ServerThread", "recognised"]

WORDS = "alpha bravo delta echo golf hotel india kilo lima mike oscar papa romeo tango uniform zulu"


def recognised(pcm: bytes) -> str:
    """The text of 16-bit samples: three words of their checksum; "" of silence."""
    if not pcm.strip(b"\0"):
        return ""
    number = zlib.crc32(pcm)
    words = WORDS.split()
    return " ".join(words[number >> shift & 15] for shift in (0, 4, 8)) + f" {number >> 12}"


@dataclass
class Behaviour:
    """What a server does; may be changed while it runs.

    Attributes:
        service_s: how long a recording, or the end of an utterance, takes exactly.
        piece_s: how long a piece of a live session takes.
        workers: how many are served at once, others wait; None: all.
        capacity: with so many under way, others are refused; None: never.
        refuse, fail, wrong, double, drop, bad_json, stall: share of the requests that this
            happens to, evenly spread: 0.25 is every fourth.
    """

    service_s: float = 0.0
    piece_s: float = 0.0
    workers: int | None = None
    capacity: int | None = None
    refuse: float = 0.0
    fail: float = 0.0
    wrong: float = 0.0
    double: float = 0.0
    drop: float = 0.0
    bad_json: float = 0.0
    stall: float = 0.0
    #: Counts of what was decided so far, by name.
    counts: dict[str, int] = field(default_factory=dict)

    def happens(self, name: str) -> bool:
        """Whether it happens this time."""
        share = getattr(self, name)
        count = self.counts[name] = self.counts.get(name, 0) + 1
        return int(count * share) > int((count - 1) * share)

    def text(self, pcm: bytes) -> str:
        """What it says of samples."""
        text = recognised(pcm)
        return f"not {text}" if text and self.happens("wrong") else text


class ServerThread:
    """A server in a thread.

    Attributes:
        asked: what each request said beside its audio.
        under_way: requests that are being served or wait.
    """

    scheme = "http"
    path = ""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.asked: list[dict[str, Any]] = []
        self.under_way = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._workers: asyncio.Semaphore | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    def __enter__(self) -> ServerThread:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def die(self) -> None:
        """Hang up on everyone and listen no more."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.listen())
        self._ready.set()
        self._loop.run_forever()

    async def listen(self) -> None:
        """Begin to listen, on `port`."""
        raise NotImplementedError

    async def _end(self) -> None:
        await self.stop()
        mine = [task for task in self._tasks if not task.done()]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

    async def stop(self) -> None:
        """Listen no more, and hang up."""
        raise NotImplementedError

    @contextlib.contextmanager
    def counted(self) -> Iterator[bool]:
        """A request is under way; says whether there is room for it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        capacity = self.behaviour.capacity
        self.under_way += 1
        try:
            yield capacity is None or self.under_way <= capacity
        finally:
            self.under_way -= 1
            self._tasks.discard(task)

    async def serve(self) -> None:
        """Take as long as a recording takes, or for ever."""
        if self.behaviour.happens("stall"):
            await asyncio.sleep(3600)
        if self.behaviour.workers is None:
            await asyncio.sleep(self.behaviour.service_s)
            return
        if self._workers is None:
            self._workers = asyncio.Semaphore(self.behaviour.workers)
        async with self._workers:
            await asyncio.sleep(self.behaviour.service_s)


class HttpServer(ServerThread):
    """OpenAI's ``POST /v1/audio/transcriptions``, ``/v1/models`` and ``/metrics``."""

    def __init__(self, behaviour: Behaviour | None = None, *, verbose: bool = True) -> None:
        super().__init__(behaviour)
        self.verbose = verbose
        self.key: str | None = None
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): text.strip()
                    for name, _, text in (line.partition(":") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = await self._answer(lines[0].split()[1], headers, body)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> bytes | None:
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return _response(401, {"error": {"message": "no such key", "code": "invalid_key"}})
        if path == "/v1/models":
            return _response(200, {"object": "list", "data": [{"id": "stand-in"}]})
        if path == "/metrics":
            page = (
                "# TYPE requests_total counter\n"
                f'requests_total{{path="a"}} {len(self.asked)}\nrequests_total{{path="b"}} 1\n'
                f"# TYPE under_way gauge\nunder_way {self.under_way}\n"
            )
            return _response(200, page.encode(), "text/plain; version=0.0.4")
        if path != "/v1/audio/transcriptions":
            return _response(404, {"detail": "Not Found"})
        fields = _multipart(headers["content-type"], body)
        with self.counted() as room:
            self.asked.append({k: v for k, v in fields.items() if k != "file"} | {"head": headers})
            return await self._transcription(fields, room)

    async def _transcription(self, fields: dict[str, Any], room: bool) -> bytes | None:
        behaviour = self.behaviour
        if not room or behaviour.happens("refuse"):
            return _response(503, {"error": {"message": "full"}}, more="Retry-After: 2\r\n")
        if fields["response_format"] == ["verbose_json"] and not self.verbose:
            return _response(400, {"error": {"message": "response_format is not supported"}})
        await self.serve()
        if behaviour.happens("fail"):
            return _response(500, {"error": {"message": "it broke\x1b[2J"}})
        if behaviour.happens("drop"):
            return None
        if behaviour.happens("bad_json"):
            return _response(200, b'{"text": ')
        with wave.open(io.BytesIO(fields["file"])) as file:
            pcm = file.readframes(file.getnframes())
            seconds = file.getnframes() / file.getframerate()
        said: dict[str, Any] = {"text": behaviour.text(pcm)}
        if fields["response_format"] == ["verbose_json"]:
            said |= {"segments": [{"id": 0, "start": 0.0, "end": seconds, "text": said["text"]}]}
        return _response(200, said)


def _response(
    status: int, body: dict[str, Any] | bytes, kind: str = "application/json", more: str = ""
) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} X\r\nServer: stand-in\r\nContent-Type: {kind}\r\n{more}"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def _multipart(kind: str, body: bytes) -> dict[str, Any]:
    """The fields: `file` as bytes, others as lists of texts."""
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    fields: dict[str, Any] = {}
    for part in body.split(boundary)[1:-1]:
        head, _, data = part[2:-2].partition(b"\r\n\r\n")
        name = head.decode().partition('; name="')[2].partition('"')[0]
        if name == "file":
            fields[name] = data
        else:
            fields.setdefault(name, []).append(data.decode())
    return fields
