"""Every HTTP request has a number, a line in the log, and a place in the metrics."""

from __future__ import annotations

import re
import time
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safeasr.printable import printable
from safeasr.serve.service import Service

__all__ = ["NumberedRequests"]

_GIVEN: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
#: What asks so often that its lines would hide the others.
_QUIET: Final = ("/health", "/ready", "/metrics", "/stats", "/page/")


class NumberedRequests:
    """Outermost of the application: ``X-Request-Id`` in and out."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """Stand before an application."""
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        number = given.decode() if _GIVEN.fullmatch(given) else self._service.number()
        scope.setdefault("state", {})["number"] = number
        began, status = time.perf_counter(), 0

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", number.encode())]
            await send(message)

        try:
            await self._app(scope, receive, numbered)
        except Exception as error:
            if status:  # the answer has begun: it can only be cut off
                raise
            problem = self._service.problem(error, number)
            refusal = JSONResponse(problem.body(), status_code=problem.status)
            await refusal(scope, receive, numbered)
        finally:
            self._service.answers[status or 500] += 1
            if not scope["path"].startswith(_QUIET):
                self._service.log.info(
                    "%s: %s %s: %d in %.0f ms",
                    number,
                    scope["method"],
                    printable(scope["path"]),
                    status or 500,
                    (time.perf_counter() - began) * 1000,
                    extra={"request": number, "status": status or 500, "path": scope["path"]},
                )
