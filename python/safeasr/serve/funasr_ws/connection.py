"""One connection of FunASR's websocket protocol: configuration, audio, the end, and anew."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket

from safeasr.serve.funasr_ws.answers import error_message
from safeasr.serve.funasr_ws.configuration import Configuration, message_of
from safeasr.serve.funasr_ws.spoken import LiveUtterance
from safeasr.serve.funasr_ws.utterances import EmptyUtterance, RecordedUtterance, Utterance
from safeasr.serve.problems import Problem
from safeasr.serve.service import Service
from safeasr.serve.sockets import GoneError, HurryError, Socket, admitted

__all__ = ["funasr_websocket"]

_SUBPROTOCOLS = frozenset({"binary"})


async def funasr_websocket(websocket: WebSocket) -> None:
    """The endpoint."""
    service: Service = websocket.app.state.service
    async with admitted(websocket, service, _SUBPROTOCOLS) as socket:
        if socket is not None:
            asked = websocket.query_params.get("model")
            await _Connection(service, socket, asked).serve()


class _Connection:
    def __init__(self, service: Service, socket: Socket, model: str | None) -> None:
        self._service = service
        self._socket = socket
        self._model = model
        self._configuration = Configuration()
        self._utterance: Utterance | None = None
        #: The utterance that has ended and is being answered.
        self._answering: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Until the client leaves."""
        limits = self._service.settings.limits
        self._socket.resting = self._rests
        try:
            while True:
                patience = limits.rest_s if self._utterance is None else limits.idle_s
                if self._is_answering():
                    patience += limits.request_s
                try:
                    await self._take(await self._socket.receive(patience))
                except HurryError:
                    if self._utterance is not None:
                        await self._end(acknowledge=False)
                    await self._answered()
                    raise await self._socket.stop() from None
        finally:
            if self._answering is not None:
                self._answering.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await self._answering
            if self._utterance is not None:
                await self._utterance.abandon()

    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.done()

    def _rests(self) -> bool:
        lost = self._utterance is None or isinstance(self._utterance, EmptyUtterance)
        return lost and not self._is_answering()

    async def _take(self, received: str | bytes) -> None:
        if isinstance(received, str):
            await self._obey(received)
            return
        if not received:
            return
        if self._utterance is None:
            await self._answered()
            self._utterance = await self._begun()
        try:
            await self._utterance.hear(received)
        except GoneError:
            raise
        except Exception as error:
            self._utterance = await self._lost(self._utterance, error)

    async def _obey(self, text: str) -> None:
        """Take a message that is no audio."""
        try:
            message = message_of(text, self._configuration)
        except Problem as problem:
            await self._tell(problem)
            return
        if self._utterance is None and not message.ends:
            await self._answered()
        self._configuration = message.configuration
        for wrong in message.problems:
            await self._tell(wrong)
        if message.ends:
            await self._end(message.acknowledge)

    async def _begun(self) -> Utterance:
        made: type[Utterance] = LiveUtterance
        if self._configuration.mode == "offline":
            made = RecordedUtterance
        utterance = made(self._service, self._socket, self._configuration)
        try:
            await utterance.begin(self._model)
        except GoneError:
            raise
        except Exception as error:
            return await self._lost(utterance, error)
        return utterance

    async def _lost(self, utterance: Utterance, error: Exception) -> Utterance:
        """What goes on in the place of an utterance that cannot; the client hears why."""
        await utterance.abandon()
        await utterance.tell_problem(error)
        return EmptyUtterance(self._service, self._socket, self._configuration)

    async def _end(self, acknowledge: bool) -> None:
        """Let the utterance be answered while one listens whether the client leaves."""
        await self._answered()
        utterance, self._utterance = self._utterance, None
        if utterance is None:  # nothing was said
            utterance = EmptyUtterance(self._service, self._socket, self._configuration)
        self._answering = asyncio.ensure_future(utterance.finish(acknowledge))

    async def _answered(self) -> None:
        """Wait for the answers to the utterance before: they come in order."""
        if self._answering is not None:
            answering, self._answering = self._answering, None
            try:
                await answering
            except BaseException:
                answering.cancel()
                raise

    async def _tell(self, problem: Problem) -> None:
        configuration = self._configuration
        mode = "offline" if configuration.mode == "offline" else "2pass-offline"
        await self._socket.send(error_message(mode, configuration.wav_name, problem))
