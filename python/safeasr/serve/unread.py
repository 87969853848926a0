"""An answer that comes before its upload has ended reaches the client all the same.

A socket that is closed while bytes still come in is reset, and the reset takes what was sent with
it: instead of "too large" the client would hear that the connection broke.
"""

from __future__ import annotations

from typing import Final

from anyio import move_on_after
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["UnreadUploads", "stated_length"]

#: The longest that the rest of an upload is read and thrown away, and the longest pause in it.
_READ_S: Final = 30.0
_PAUSE_S: Final = 5.0
#: So little is no trouble to anybody: the connection stays, and the server skips it.
_LITTLE: Final = 64 << 10


def stated_length(scope: Scope) -> int | None:
    """The bytes of a body as its head says; None where it does not."""
    stated = dict(scope["headers"]).get(b"content-length", b"")
    return int(stated[:19]) if stated.isdigit() else None  # of more digits: more than anybody takes


class UnreadUploads:
    """Outside of all that answers: what holds a place for the request has let go of it by then."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set()
        if not names & {b"content-length", b"transfer-encoding"}:
            await self._app(scope, receive, send)
            return
        length = stated_length(scope)
        matters = length is None or length > _LITTLE
        complete = length == 0
        unfinished = False

        async def noticed() -> Message:
            nonlocal complete
            message = await receive()
            complete = not message.get("more_body", False)  # or the client is gone
            return message

        async def held(message: Message) -> None:
            nonlocal matters, unfinished
            if message["type"] == "http.response.start":
                # That the time is over is said of any size: its rest may come whenever it likes.
                matters = not complete and (matters or message["status"] == 408)
                if matters:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            elif matters and not complete and not message.get("more_body", False):
                unfinished = True
                message = {**message, "more_body": True}
            await send(message)

        await self._app(scope, noticed, held)
        if unfinished:
            with move_on_after(_READ_S):
                while not complete:
                    with move_on_after(_PAUSE_S) as pause:
                        await noticed()
                    if pause.cancelled_caught:
                        break
            await send({"type": "http.response.body", "body": b"", "more_body": False})
