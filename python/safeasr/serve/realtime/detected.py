"""Turns that the model's detector finds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.serve.live.added import Added
from safeasr.serve.live.speech import Chunk, Speech, stream_mode
from safeasr.serve.openai.transcript import shown
from safeasr.serve.realtime.events import Events
from safeasr.serve.realtime.session import Session
from safeasr.serve.realtime.turns import SHORTEST_MS, TurnsBase, empty
from safeasr.serve.service import Service
from safeasr.serve.sockets import FAILED, LEFT, GoneError, Socket

__all__ = ["DetectedTurns"]

#: A turn that has begun is known after so long.
_UNTIL_FOUND_S: Final = 1.5


class DetectedTurns(TurnsBase):
    """``server_vad``: the model's detector says when turns begin and end."""

    def __init__(self, service: Service, socket: Socket, events: Events, session: Session) -> None:
        """Nothing was heard yet."""
        super().__init__(service, socket, events, session)
        self._held = AsyncExitStack()
        self._speech: Speech | None = None
        self._telling: asyncio.Task[None] | None = None
        self._added = Added()
        self._item: str | None = None
        self._heard = 0  # samples since the last commit
        self._to_settle = 0
        self._settled = asyncio.Event()

    @property
    def rest(self) -> bool:
        """See :class:`Turns`."""
        # What was heard last may have been the beginning of a turn.
        sure = self._speech is None or self._service.gate.draining_s > _UNTIL_FOUND_S
        return sure and self._item is None and not self._to_settle

    async def hear(self, samples: NDArray[np.int16]) -> None:
        """See :class:`Turns`."""
        if self._speech is None:
            try:
                self._speech = await self._opened()
            except BaseException:
                await self._held.aclose()
                raise
            self._telling = asyncio.ensure_future(self._tell_all(self._speech))
        self._heard += len(samples)
        await self._speech.hear(samples)

    async def _opened(self) -> Speech:
        held = self._held
        held.enter_context(self._service.gate.utterance())
        served = await held.enter_async_context(self._service.shelf.lease(self._session.model))
        settings = self._service.settings
        options = self.asked(served)
        if self._session.silence_ms is not None:
            options["max_end_silence_time"] = self._session.silence_ms
        return Speech(
            served,
            mode=stream_mode(served, "2pass"),
            rate=self._session.rate,
            options=options,
            key=self._socket.number,
            step_ms=settings.step_ms,
            max_audio_s=settings.limits.max_audio_s,
        )

    async def commit(self) -> None:
        """See :class:`Turns`."""
        if self._speech is None or self._heard * 1000 < SHORTEST_MS * self._session.rate:
            raise empty()
        self._to_settle += 1
        try:
            await self._speech.end()
        except BaseException:
            self._to_settle -= 1
            raise
        self._heard = 0

    async def clear(self) -> None:
        """See :class:`Turns`."""
        await self.close()
        self._heard, self._item = 0, None
        self._added.end()

    async def settle(self) -> None:
        """See :class:`Turns`."""
        while self._to_settle:
            self._settled.clear()
            await self._settled.wait()

    async def _tell_all(self, speech: Speech) -> None:
        """Raises nothing: whoever hands over more would wait for ever, so the connection ends."""
        try:
            while True:
                async for chunk in speech.chunks():
                    await self._tell_chunk(chunk)
                self._to_settle -= 1
                self._settled.set()
        except GoneError:
            self._socket.break_off(*LEFT)
        except Exception:
            self._service.log.exception("%s: answers failed", self._socket.number)
            self._socket.break_off(FAILED, "the server failed")

    async def _tell_chunk(self, chunk: Chunk) -> None:
        """Its events; each commit of the client's ends a turn, if need be one of nothing."""
        if chunk.error is not None:
            await self._fail(chunk.error)
            return
        events = chunk.events
        for number, event in enumerate(events, 1):
            by_client = chunk.is_last and number == len(events)
            await self._tell(event, chunk.begun_ms, by_client=by_client)
        if chunk.is_last and not (events and events[-1].get("is_final")):
            item, self._item = self._item or self._events.name("item"), None
            await self._events.committed(item)
            await self._events.completed(item, self._added.end(), 0.0)

    async def _tell(self, event: Mapping[str, Any], begun_ms: int, *, by_client: bool) -> None:
        start = int(event.get("start", 0)) + begun_ms
        if self._item is None:
            self._item = self._events.name("item")
            await self._events.send(
                "input_audio_buffer.speech_started", audio_start_ms=start, item_id=self._item
            )
        if not event.get("is_final"):
            text = self._added.of(event)
            if text:
                await self._events.delta(self._item, text)
            return
        item, self._item = self._item, None
        self._added.end()
        end = int(event.get("end", start - begun_ms)) + begun_ms
        if not by_client:
            await self._events.send(
                "input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item
            )
        await self._events.committed(item)
        text = shown(str(event.get("text", "")))
        await self._events.completed(item, text, (end - start) / 1000)

    async def _fail(self, error: Exception) -> None:
        item, self._item = self._item or self._events.name("item"), None
        self._added.end()
        await self._events.committed(item)
        await self._events.failed(item, self.problem(error))

    async def close(self) -> None:
        """See :class:`Turns`."""
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await telling
        if self._speech is not None:
            self._speech.close()
            self._speech = None
        self._to_settle = 0
        self._settled.set()
        await self._held.aclose()
