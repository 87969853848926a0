"""Targets that recognise nothing, but do exactly what one asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.targets.base import Answer, Event, OnEvent, RefusedError


def silent_clips(count: int, seconds: float = 1.0) -> list[Clip]:
    """Clips that differ by name alone."""
    samples = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
    return [Clip(f"clip {n}", samples) for n in range(count)]


class MadeUp:
    """Answers each clip with its name.

    Args:
        service_s: how long each request takes, by its number from 0.
        servers: how many are served at once; the others wait in turn. 0: all.
        answer: what is said instead of the clip's name, by the request's number and the clip.
        stalls: spans (from, to) in seconds after the first request in which nothing is answered.
    """

    name = "made up"
    remote = True

    def __init__(
        self,
        service_s: Callable[[int], float] = lambda number: 0.01,
        servers: int = 0,
        answer: Callable[[int, Clip], Answer] = lambda number, clip: Answer(clip.name),
        stalls: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._service_s = service_s
        self._room = asyncio.Semaphore(servers) if servers else None
        self._answer = answer
        self._stalls = stalls
        self._began: float | None = None
        self.number = 0

    async def open(self) -> dict[str, Any]:
        return {}

    async def transcribe(self, clip: Clip) -> Answer:
        number, self.number = self.number, self.number + 1
        if self._room is None:
            await self._serve(number)
        else:
            async with self._room:
                await self._serve(number)
        return self._answer(number, clip)

    async def _serve(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(self._service_s(number))
        for begin, end in self._stalls:
            if begin <= loop.time() - self._began < end:
                await asyncio.sleep(end - (loop.time() - self._began))

    async def session(self, clip: Clip, on_event: OnEvent) -> MadeUpSession:
        number, self.number = self.number, self.number + 1
        return MadeUpSession(self, number, clip, on_event)

    async def stats(self) -> dict[str, float]:
        return {"asked": float(self.number)}

    async def close(self) -> None:
        pass


class MadeUpSession:
    """Says a partial text with each chunk, and the clip's name at the end."""

    answers_each_chunk = False

    def __init__(self, target: MadeUp, number: int, clip: Clip, on_event: OnEvent) -> None:
        self._target, self._number, self._clip = target, number, clip
        self._on_event = on_event
        self.samples = 0
        self.abandoned = False

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        self.samples += len(samples)
        loop = asyncio.get_running_loop()
        loop.call_later(
            0.05, lambda: self._on_event(Event("partial", self._clip.name[:4], loop.time()))
        )

    async def answer(self) -> Answer:
        assert self.samples == len(self._clip.samples)
        await self._target._serve(self._number)
        self._on_event(Event("second", self._clip.name, asyncio.get_running_loop().time()))
        return self._target._answer(self._number, self._clip)

    async def abandon(self) -> None:
        self.abandoned = True


def refuses(number: int, clip: Clip) -> Answer:
    """An `answer` that is none."""
    raise RefusedError("HTTP 503", "full", 1.0)
