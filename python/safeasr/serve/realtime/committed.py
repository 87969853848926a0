"""Turns that end when the client says so."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress

import numpy as np
from numpy.typing import NDArray

from safeasr.serve.openai.transcript import shown
from safeasr.serve.problems import Problem
from safeasr.serve.realtime.events import Events
from safeasr.serve.realtime.session import Session
from safeasr.serve.realtime.turns import SHORTEST_MS, TurnsBase, empty
from safeasr.serve.service import Service
from safeasr.serve.sockets import GoneError, Socket
from safeasr.serve.spool import Spool

__all__ = ["CommittedTurns"]


class CommittedTurns(TurnsBase):
    """No turn detection: what came since the last commit is a turn."""

    def __init__(self, service: Service, socket: Socket, events: Events, session: Session) -> None:
        """Nothing was heard yet."""
        super().__init__(service, socket, events, session)
        self._spool = self._empty_spool()
        #: Counts as an utterance from its first sound to its answer.
        self._counted = ExitStack()
        self._begun = False
        self._working: set[asyncio.Task[None]] = set()

    @property
    def rest(self) -> bool:
        """See :class:`Turns`."""
        return not self._spool.size and not self._working

    def _empty_spool(self) -> Spool:
        return self._service.spools.spool()

    async def hear(self, samples: NDArray[np.int16]) -> None:
        """See :class:`Turns`."""
        if not self._begun:
            self._counted.enter_context(self._service.gate.utterance())
            self._begun = True
        try:
            await self._spool.write(samples.astype("<i2").tobytes())
        except OSError:
            await self.clear()  # the rest must not pass for all of it
            raise

    async def commit(self) -> None:
        """See :class:`Turns`."""
        seconds = self._spool.size / 2 / self._session.rate
        if seconds * 1000 < SHORTEST_MS:
            raise empty()
        spool, self._spool = self._spool, self._empty_spool()
        counted, self._begun = self._counted.pop_all(), False
        item = self._events.name("item")
        await self._events.committed(item)
        task = asyncio.ensure_future(self._recognise(item, spool, seconds, counted))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _recognise(self, item: str, spool: Spool, seconds: float, counted: ExitStack) -> None:
        try:
            text = await self._text(spool)
            if text:
                await self._events.delta(item, text)
            await self._events.completed(item, text, seconds)
        except GoneError:
            return
        except Exception as error:
            with suppress(GoneError):
                await self._events.failed(item, self.problem(error))
        finally:
            spool.close()
            counted.close()

    async def _text(self, spool: Spool) -> str:
        service, limits = self._service, self._service.settings.limits
        with service.gate.request(self._socket.client):
            async with service.shelf.lease(self._session.model) as served:
                if not served.recordings:
                    raise Problem(400, "the model takes no recordings", "mode_unavailable")
                (result,) = await served.model.agenerate(
                    spool.whole(),
                    key=self._socket.number,
                    fs=self._session.rate,
                    data_type="pcm",
                    timeout=limits.request_s,
                    max_audio_seconds=limits.max_audio_s,
                    **self.asked(served),
                )
        return shown(str(result.get("text", "")))

    async def clear(self) -> None:
        """See :class:`Turns`."""
        self._forget()
        self._spool = self._empty_spool()

    def _forget(self) -> None:
        self._spool.close()
        self._counted.close()
        self._begun = False

    async def settle(self) -> None:
        """See :class:`Turns`."""
        while self._working:
            await asyncio.wait(set(self._working))

    async def close(self) -> None:
        """See :class:`Turns`."""
        for task in set(self._working):
            task.cancel()
        if self._working:
            await asyncio.wait(set(self._working))
        self._forget()
