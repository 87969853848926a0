"""Uploads are limited while they arrive: in size, in time, and in the pauses between parts."""

from __future__ import annotations

import asyncio
from typing import Final

from anyio import fail_after
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safeasr.serve.problems import Problem
from safeasr.serve.settings import Limits
from safeasr.serve.spool import SpoolRoom
from safeasr.serve.unread import stated_length

__all__ = ["LimitedUploads"]

#: What a form needs beside its file: fields, borders, keywords.
_FORM_BYTES: Final = 1 << 20


class LimitedUploads:
    """Stands before the application; raises a Problem where it reads the body."""

    def __init__(self, app: ASGIApp, limits: Limits, room: SpoolRoom) -> None:
        """Stand before an application."""
        self._app = app
        self._limits = limits
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limits.max_upload_bytes + _FORM_BYTES
        too_large = Problem(413, f"more than {self._limits.max_upload_bytes} bytes", "too_large")
        if (stated_length(scope) or 0) > most:
            refusal = JSONResponse(too_large.body(), status_code=413)
            await refusal(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        end = clock() + self._limits.upload_s
        came, complete = 0, False

        async def limited() -> Message:
            nonlocal came, complete
            if complete:  # nothing comes now but that the client leaves
                return await receive()
            patience = max(min(self._limits.idle_s, end - clock()), 0.001)
            try:
                with fail_after(patience):
                    message = await receive()
            except TimeoutError:
                raise Problem(408, "the upload does not arrive", "upload_timeout") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if came + size > most:
                    raise too_large
                self._room.take(size)
                came += size
            return message

        try:
            await self._app(scope, limited, send)
        finally:
            self._room.give_back(came)
