"""A websocket with limits: on silence, on clients that do not read, on how long it stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from anyio import move_on_after
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from safeasr.serve.problems import Problem
from safeasr.serve.service import Service

__all__ = ["FAILED", "LEFT", "GoneError", "HurryError", "Socket", "admitted"]

GOING_AWAY: Final = 1001
POLICY: Final = 1008
TOO_BIG: Final = 1009
FAILED: Final = 1011
LATER: Final = 1013
#: Why a connection ends whose client is found to be gone while something is told to it.
LEFT: Final = (GOING_AWAY, "the client left")
#: What sockets say to clients when the server ends.
_STOPPING: Final = (GOING_AWAY, "the server is stopping")
_UNREAD: Final = (POLICY, "the client does not read")
_TOO_LONG: Final = "the connection was open for too long"
_SILENT: Final = "nothing came for too long"
_LOOK_S: Final = 1.0
_CLOSE_S: Final = 5.0


class GoneError(Exception):
    """The client is gone, or has to go; nothing can be told it any more."""


class HurryError(Exception):
    """The server ends soon: finish what is under way, then call :meth:`Socket.stop`."""


class Socket:
    """One connection, accepted.

    Attributes:
        client: who it is, for limits and logs.
        number: of the connection, in logs.
        resting: whether nothing is under way, so that the connection may end when the server does.
    """

    def __init__(self, websocket: WebSocket, service: Service, client: str) -> None:
        """Take an accepted websocket. Belongs to the task that receives."""
        self._websocket = websocket
        self._limits = service.settings.limits
        self._gate = service.gate
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + self._limits.session_s
        self._sending = asyncio.Lock()
        owner = asyncio.current_task()
        assert owner is not None
        self._owner = owner
        self._reading = False
        #: Whether the owner was cancelled to be told of the hurry.
        self._hurry = False
        self._due = self._end
        #: Why the owner was cancelled, if this did it.
        self.why: tuple[int, str] | None = None
        # One timer that looks now and then: a timer for each message would cost more than the
        # message.
        self._timer = self._loop.call_later(_LOOK_S, self._look)
        self.client = client
        self.number = service.number()
        self.resting: Callable[[], bool] = lambda: True
        self._gate.on_drain.add(self._end_if_drained)

    async def receive(self, patience_s: float) -> str | bytes:
        """The next message.

        Args:
            patience_s: how long to wait for it, give or take a second.

        Raises:
            GoneError: the client left, or was silent for too long, or the server ends.
            HurryError: once, when the server is about to end.
        """
        now = self._loop.time()
        self._due = min(now + patience_s, self._end)
        if now >= self._end:
            raise await self._gone(POLICY, _TOO_LONG)
        if self._gate.draining and self.resting():
            raise await self.stop()
        self._reading = True
        try:
            message = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            raise GoneError from None
        except asyncio.CancelledError:
            if self.why is not None or not self._hurry:
                raise
            self._hurry = False
            raise HurryError from None
        finally:
            self._reading = False
        if message["type"] == "websocket.disconnect":
            raise GoneError
        text = message.get("text")
        data: str | bytes = message.get("bytes") or b"" if text is None else text
        if len(data) > self._limits.max_message_bytes:
            raise await self._gone(TOO_BIG, "the message is too large")
        return data

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_S, self._look)
        if not self._reading or self.why is not None:
            return
        if self._loop.time() >= self._due:
            self.break_off(POLICY, _TOO_LONG if self._due >= self._end else _SILENT)
        elif self.resting():
            self._end_if_drained()
        elif self._gate.in_a_hurry and not self._hurry:
            self._hurry = True
            self._owner.cancel()

    def _end_if_drained(self) -> None:
        if self._gate.draining and self._reading and self.resting():
            self.break_off(*_STOPPING)

    def break_off(self, code: int, reason: str) -> None:
        """End the connection, whatever its owner waits for."""
        if self.why is None:
            self.why = (code, reason)
            self._owner.cancel()

    def forget(self) -> None:
        """The connection is over."""
        self._timer.cancel()
        self._gate.on_drain.discard(self._end_if_drained)

    async def send(self, text: str) -> None:
        """Tell the client something.

        If it does not read, the connection ends.

        Raises:
            GoneError: it left.
        """
        if not text.isascii():  # half a pair of surrogates would be no UTF-8
            text = text.encode("utf-8", "replace").decode()
        async with self._sending:
            # No `asyncio.wait_for`: before Python 3.12 it may lose that its task is cancelled, and
            # whoever waits for a sender to end would wait for ever.
            late = self._loop.call_later(self._limits.send_s, self.break_off, *_UNREAD)
            try:
                await self._websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError, OSError):
                raise GoneError from None
            finally:
                late.cancel()

    async def stop(self) -> GoneError:
        """End the connection because the server ends."""
        return await self._gone(*_STOPPING)

    async def close(self, code: int, reason: str) -> None:
        """End the connection; it may have ended already."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(Exception), move_on_after(_CLOSE_S):
                await self._websocket.close(code, reason[:120])

    async def _gone(self, code: int, reason: str) -> GoneError:
        await self.close(code, reason)
        return GoneError(reason)


@asynccontextmanager
async def admitted(
    websocket: WebSocket, service: Service, subprotocols: frozenset[str]
) -> AsyncIterator[Socket | None]:
    """A connection that may come in, accepted, as long as it is open; None if it may not.

    Args:
        websocket: not accepted yet.
        service: the server.
        subprotocols: of which the first that the client offers is chosen.
    """
    number = service.number()
    try:
        client = service.client_of(websocket)
        with service.gate.connection():
            offered = websocket.scope.get("subprotocols") or []
            chosen = next((one for one in offered if one in subprotocols), None)
            await websocket.accept(chosen)
            socket = Socket(websocket, service, client)
            try:
                yield socket
            except asyncio.CancelledError:
                if socket.why is None:
                    raise
                service.log.info("%s: ended: %s", socket.number, socket.why[1])
                await socket.close(*socket.why)
            except GoneError as gone:
                service.log.info("%s: ended: %s", socket.number, str(gone) or "the client left")
            except Exception:
                service.log.exception("%s: a connection failed", socket.number)
                await socket.close(FAILED, f"the server failed; its log has it as {socket.number}")
            else:
                await socket.close(1000, "")
            finally:
                socket.forget()
    except Problem as problem:
        await _refused(websocket, problem, number)
        yield None


async def _refused(websocket: WebSocket, problem: Problem, number: str) -> None:
    headers = {**problem.headers(), "X-Request-Id": number}
    response = JSONResponse(problem.body(), status_code=problem.status, headers=headers)
    try:
        await websocket.send_denial_response(response)
    except RuntimeError:  # the server knows no such answer
        await websocket.close(LATER if problem.status == 503 else POLICY, problem.message[:120])
