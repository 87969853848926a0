"""One realtime connection: a session, audio in base64, events back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket

from safeasr.serve.live.pcm import PcmFrames, a_law, mu_law
from safeasr.serve.problems import Problem, json_object
from safeasr.serve.realtime.committed import CommittedTurns
from safeasr.serve.realtime.detected import DetectedTurns
from safeasr.serve.realtime.events import Events
from safeasr.serve.realtime.session import Session, updated
from safeasr.serve.realtime.turns import Turns
from safeasr.serve.service import Service
from safeasr.serve.sockets import GoneError, HurryError, Socket, admitted

__all__ = ["realtime_websocket"]

_SUBPROTOCOLS: Final = frozenset({"realtime"})


async def realtime_websocket(websocket: WebSocket) -> None:
    """The endpoint."""
    service: Service = websocket.app.state.service
    async with admitted(websocket, service, _SUBPROTOCOLS) as socket:
        if socket is not None:
            query = websocket.query_params
            session = Session(model=query.get("model"), beta="realtime=v1" in _beta(websocket))
            await _Connection(service, socket, session).serve()


def _beta(websocket: WebSocket) -> str:
    return str(websocket.headers.get("openai-beta", ""))


class _Connection:
    def __init__(self, service: Service, socket: Socket, session: Session) -> None:
        self._service = service
        self._socket = socket
        self._session = session
        self._events = Events(socket)
        self._name = self._events.name("sess")
        self._turns: Turns | None = None
        self._frames: PcmFrames | None = None

    async def serve(self) -> None:
        """Until the client leaves."""
        await self._events.send(self._kind("created"), session=self._session.as_dict(self._name))
        limits = self._service.settings.limits
        self._socket.resting = self._rests
        try:
            while True:
                patience = limits.rest_s if self._rests() else limits.idle_s + limits.request_s
                try:
                    received = await self._socket.receive(patience)
                except HurryError:
                    await self._finish()
                    raise await self._socket.stop() from None
                event: Mapping[str, Any] = {}
                try:
                    event = json_object(received)
                    await self._take(event)
                except Problem as problem:
                    await self._events.error(problem, _name_of(event))
                except GoneError:
                    raise
                except Exception as error:
                    await self._fail(error, _name_of(event))
        finally:
            if self._turns is not None:
                await self._turns.close()

    def _rests(self) -> bool:
        return self._turns is None or self._turns.rest

    async def _finish(self) -> None:
        """Let the open turn be answered, and those that wait for it."""
        if self._turns is not None:
            with suppress(Problem):  # nothing was said
                await self._turns.commit()
            await self._turns.settle()

    def _kind(self, what: str) -> str:
        return f"transcription_session.{what}" if self._session.beta else f"session.{what}"

    async def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        if kind in ("session.update", "transcription_session.update"):
            await self._update(event.get("session"), beta=kind != "session.update")
        elif kind == "input_audio_buffer.append":
            samples = self._decoded(_audio(event))
            if len(samples):
                await self._current().hear(samples)
        elif kind == "input_audio_buffer.commit":
            await self._current().commit()
        elif kind == "input_audio_buffer.clear":
            if self._turns is not None:
                await self._turns.clear()
            self._frames = None
            await self._events.send("input_audio_buffer.cleared")
        else:
            raise Problem(
                400, f"event {str(kind)[:60]!r} is not served", "unknown_event", param="type"
            )

    def _current(self) -> Turns:
        if self._turns is None:
            made = CommittedTurns if self._session.detector is None else DetectedTurns
            self._turns = made(self._service, self._socket, self._events, self._session)
        return self._turns

    async def _update(self, fields: Any, *, beta: bool) -> None:
        """What holds from now on; the turn that is open ends first."""
        now = updated(self._session, fields, beta=beta)
        self._service.shelf.name_of(now.model)
        if self._turns is not None and replace(now, beta=self._session.beta) != self._session:
            await self._finish()
            await self._turns.close()
            self._turns = self._frames = None
        self._session = now
        await self._events.send(self._kind("updated"), session=now.as_dict(self._name))

    def _decoded(self, data: bytes) -> NDArray[np.int16]:
        if self._session.coding != "pcm":
            return (mu_law if self._session.coding == "mu_law" else a_law)(data)
        if self._frames is None:
            self._frames = PcmFrames(self._session.rate)
        return self._frames.take(data)

    async def _fail(self, error: Exception, event: str | None) -> None:
        await self._events.error(self._service.problem(error, self._socket.number), event)


def _name_of(event: Mapping[str, Any]) -> str | None:
    name = event.get("event_id")
    return name[:100] if isinstance(name, str) else None


def _audio(event: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(event["audio"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Problem(400, "audio must be base64", "invalid_audio", param="audio") from None
