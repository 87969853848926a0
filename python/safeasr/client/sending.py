"""Requests on their way: sent again where that helps, from threads and from an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator

import httpx

from safeasr.client.failures import error_of_response
from safeasr.client.requests import Request, SentencesSaid
from safeasr.client.settings import Settings
from safeasr.server_errors import ServerError, ServerUnreachableError

__all__ = ["AsyncSender", "Sender"]


def _broke_off() -> ServerError:
    return ServerUnreachableError("the answer broke off")


class Sender:
    """Sends requests from any thread, and also after a fork."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._lock = threading.Lock()
        self._process = 0
        self._connections: httpx.Client | None = None
        self._others: list[httpx.Client] = []

    def _http(self) -> httpx.Client:
        """Connections of this process."""
        with self._lock:
            if self._connections is not None and self._process != os.getpid():
                # They are the other process's. Kept, for to end them would be to say goodbye in its
                # name.
                self._others.append(self._connections)
                self._connections = None
            if self._connections is None:
                self._process = os.getpid()
                self._connections = httpx.Client(**self._settings.of_httpx())
            return self._connections

    def answer(self, request: Request) -> httpx.Response:
        """The answer to a request. Raises a ServerError where there is none."""
        retries = self._settings.retries()
        while True:
            error: ServerError | None
            try:
                with request.opened() as arguments:
                    response = self._http().request(request.method, request.path, **arguments)
                self._settings.reached.set()
                error = error_of_response(response)
                if error is None:
                    return response
            except httpx.TransportError as broken:
                error = self._settings.broken(broken)
            time.sleep(retries.pause(error))

    def sentences(self, request: Request) -> Iterator[str]:
        """The text of a streamed answer, as it comes."""
        retries = self._settings.retries()
        said = SentencesSaid()
        while True:
            error: ServerError | None
            try:
                with (
                    request.opened() as arguments,
                    self._http().stream(request.method, request.path, **arguments) as response,
                ):
                    self._settings.reached.set()
                    if not response.is_success:
                        response.read()
                    error = error_of_response(response)
                    said.begin()
                    for line in response.iter_lines() if error is None else ():
                        if news := said.take(line):
                            yield news
                        if said.done:
                            return
                    error = error or _broke_off()
            except httpx.TransportError as broken:
                error = self._settings.broken(broken)
            except ServerError as told:
                error = told
            time.sleep(retries.pause(error))

    def close(self) -> None:
        """End all connections; the next request makes new ones."""
        with self._lock:
            connections, self._connections = self._connections, None
            if connections is not None and self._process == os.getpid():
                connections.close()


class AsyncSender:
    """The same on an event loop."""

    def __init__(self, settings: Settings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._connections: httpx.AsyncClient | None = None

    def _http(self) -> httpx.AsyncClient:
        if self._connections is None:
            self._connections = httpx.AsyncClient(**self._settings.of_httpx())
        return self._connections

    async def answer(self, request: Request) -> httpx.Response:
        """See :meth:`Sender.answer`."""
        retries = self._settings.retries()
        while True:
            error: ServerError | None
            try:
                with request.opened() as arguments:
                    response = await self._http().request(request.method, request.path, **arguments)
                self._settings.reached.set()
                error = error_of_response(response)
                if error is None:
                    return response
            except httpx.TransportError as broken:
                error = self._settings.broken(broken)
            await asyncio.sleep(retries.pause(error))

    async def sentences(self, request: Request) -> AsyncIterator[str]:
        """See :meth:`Sender.sentences`."""
        retries = self._settings.retries()
        said = SentencesSaid()
        while True:
            error: ServerError | None
            try:
                with request.opened() as arguments:
                    async with self._http().stream(
                        request.method, request.path, **arguments
                    ) as response:
                        self._settings.reached.set()
                        if not response.is_success:
                            await response.aread()
                        error = error_of_response(response)
                        said.begin()
                        if error is None:
                            async for line in response.aiter_lines():
                                if news := said.take(line):
                                    yield news
                                if said.done:
                                    return
                        error = error or _broke_off()
            except httpx.TransportError as broken:
                error = self._settings.broken(broken)
            except ServerError as told:
                error = told
            await asyncio.sleep(retries.pause(error))

    async def close(self) -> None:
        """End all connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()
