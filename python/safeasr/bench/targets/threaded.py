"""What blocks, on an event loop: each of its steps in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import Answer, Blocking, BlockingSession, Event, OnEvent

__all__ = ["ThreadedSession", "in_thread"]

T = TypeVar("T")


def in_thread(pool: Executor, call: Callable[[], T]) -> asyncio.Future[T]:
    """Call it in one of the pool's threads."""
    return asyncio.get_running_loop().run_in_executor(pool, call)


class ThreadedSession:
    """A live session of a target that blocks; see :class:`safeasr.bench.targets.base.Session`."""

    answers_each_chunk = True

    def __init__(self, pool: Executor, session: BlockingSession) -> None:
        self._pool, self._session = pool, session

    @classmethod
    async def begin(
        cls, pool: Executor, target: Blocking, clip: Clip, on_event: OnEvent
    ) -> ThreadedSession:
        """Begin one; `on_event` is called on the event loop, as by all targets."""
        loop = asyncio.get_running_loop()

        def told(event: Event) -> None:
            loop.call_soon_threadsafe(on_event, event)

        return cls(pool, await in_thread(pool, partial(target.begin, clip, told)))

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Returns when the samples are answered."""
        await in_thread(self._pool, partial(self._session.send, samples, last))

    async def answer(self) -> Answer:
        """All that was said."""
        return await in_thread(self._pool, self._session.answer)

    async def abandon(self) -> None:
        """Let go of it."""
        await in_thread(self._pool, self._session.abandon)
