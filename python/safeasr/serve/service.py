"""What all of a server's endpoints share."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import Counter
from collections.abc import Callable

from starlette.requests import HTTPConnection

from safeasr.serve.gate import Gate, Keys
from safeasr.serve.problems import Problem, problem_of
from safeasr.serve.settings import Settings
from safeasr.serve.shelf import Shelf
from safeasr.serve.spool import SpoolRoom

__all__ = ["Service"]

#: Statuses whose causes clients are not told. That the server is full they are, and a trace of each
#: refusal would bury all else.
_ONLY_LOGGED = frozenset({500, 507})
_BEARER = "bearer "
#: By this subprotocol browsers, which can set no header, give the key.
_IN_SUBPROTOCOL = "openai-insecure-api-key."


class Service:
    """A server's models, its door, and what it tells of itself.

    Attributes:
        settings: see there.
        shelf: the models.
        gate: counts who is inside.
        spools: how much audio all clients together have handed over.
        keys: who may come in.
        began: when it was made, by :func:`time.monotonic`.
        log: where requests and connections are told.
    """

    def __init__(self, settings: Settings, shelf: Shelf) -> None:
        """Nobody is inside yet."""
        self.settings = settings
        self.shelf = shelf
        self.keys = Keys(settings.api_keys)
        self.gate = Gate(settings.limits, self.waiting)
        self.spools = SpoolRoom(settings.limits)
        self.began = time.monotonic()
        #: Whether the models that are to be there from the beginning are.
        self.opened = False
        #: Why the models cannot be loaded, if they cannot.
        self.failure: Exception | None = None
        #: Called when they cannot: whoever runs the server ends it.
        self.on_failure: Callable[[], None] = lambda: None
        #: HTTP answers by their status.
        self.answers: Counter[int] = Counter()
        self.log = logging.getLogger("safeasr.serve")
        self._numbers = itertools.count(1)
        self._prefix = os.urandom(3).hex()

    def waiting(self) -> int:
        """Requests in the queues of the models now."""
        return sum(int(served.model.stats()["waiting"]) for served in self.shelf.served())

    def problem(self, error: BaseException, request: str) -> Problem:
        """What a client is told of an error; what only an operator can mend goes into the log.

        Args:
            error: anything.
            request: the number of its request or connection.
        """
        problem = problem_of(error, request)
        if problem.status in _ONLY_LOGGED and not isinstance(error, Problem):
            self.log.error("%s: %s", request, error, exc_info=error)
        return problem

    def number(self) -> str:
        """A name for a request, in logs and answers."""
        return f"req_{self._prefix}{next(self._numbers):06x}"

    def client_of(self, connection: HTTPConnection) -> str:
        """Who asks, for limits and logs: by the key's number, or the address. Checks the key.

        Raises:
            Problem: the key is missing or wrong (401).
        """
        key = self.keys.check(key_of(connection))
        if key is not None:
            return f"key {key}"
        return connection.client.host if connection.client else "unknown"


def key_of(connection: HTTPConnection) -> str | None:
    """The API key that a client gives, in whichever way."""
    said = connection.headers.get("authorization", "")
    if said.lower().startswith(_BEARER):
        return said[len(_BEARER) :].strip()
    if "x-api-key" in connection.headers:
        return connection.headers["x-api-key"].strip()
    for name in connection.headers.get("sec-websocket-protocol", "").split(","):
        if name.strip().startswith(_IN_SUBPROTOCOL):
            return name.strip()[len(_IN_SUBPROTOCOL) :]
    if connection.scope["type"] == "websocket":
        return connection.query_params.get("api_key")
    return None
