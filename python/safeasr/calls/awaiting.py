"""Calls from asyncio: neither reading audio nor waiting holds up the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from safeasr.calls.future import Future
from safeasr.calls.os_threads import allocate_lock
from safeasr.deadlines import require_time, seconds_left, unless
from safeasr.errors import DeadlineExceededError
from safeasr.options.cores import usable_cores
from safeasr.threads import starting_threads

__all__ = ["Readers"]

_T = TypeVar("_T")


class _Cancellable(Protocol):
    def cancel(self) -> object: ...


_C = TypeVar("_C", bound=_Cancellable)

#: Downloads of one model at a time, from asyncio: they wait more than they compute.
_DOWNLOADS: Final = 64


class Readers:
    """The threads of a model on which its calls from asyncio read audio.

    Not those of asyncio, which belong to the program. What waits for a network has its own, so that
    it never holds up what is at hand.
    """

    def __init__(self) -> None:
        """No thread begins before there is work for it."""
        self._lock = allocate_lock()
        self._pid = os.getpid()
        self._pools: dict[bool, ThreadPoolExecutor] = {}

    def _pool(self, waits_for_others: bool) -> ThreadPoolExecutor:
        with self._lock:
            if self._pid != os.getpid():  # the threads stayed in the parent
                self._pools, self._pid = {}, os.getpid()
            pool = self._pools.get(waits_for_others)
            if pool is None:
                size = _DOWNLOADS if waits_for_others else min(32, usable_cores() + 4)
                name = "safeasr-download" if waits_for_others else "safeasr-read"
                pool = self._pools[waits_for_others] = ThreadPoolExecutor(size, name)
            return pool

    async def start(
        self,
        start: Callable[[], _C],
        deadline: float | None,
        *,
        waits_for_others: bool,
    ) -> _C:
        """Submit on another thread, which may have to read audio.

        Args:
            start: submits; runs on a thread of this object.
            deadline: time of the monotonic clock at which the wait ends; None: no limit.
            waits_for_others: whether the audio comes over a network.

        Returns:
            What it returns. It is cancelled if nobody wants it any more by then.

        Raises:
            DeadlineExceededError: if the deadline passed. Reading is then ended, as it is when the
                task is cancelled.
        """
        given_up = threading.Event()

        def run() -> _C:
            with unless(given_up.is_set):
                require_time(deadline)  # a thread may have been long in coming
                return start()

        with starting_threads():
            reading = self._pool(waits_for_others).submit(run)
        read = asyncio.wrap_future(reading)
        try:
            await asyncio.wait({read}, timeout=seconds_left(deadline))
            if not read.done():
                raise DeadlineExceededError(
                    "the timeout passed while the audio was being read, or waited for room"
                )
        except BaseException:
            given_up.set()
            read.cancel()
            reading.add_done_callback(_take_back)
            raise
        return read.result()

    async def start_and_wait(
        self,
        start: Callable[[], Future[_T]],
        deadline: float | None,
        *,
        waits_for_others: bool,
    ) -> _T:
        """Submit on another thread, then wait for the result; arguments as of :meth:`start`.

        Raises:
            DeadlineExceededError: if the deadline passed. The future is then cancelled, as it is
                when the task is.
        """
        future = await self.start(start, deadline, waits_for_others=waits_for_others)
        try:
            return await asyncio.wait_for(future._wait_async(), seconds_left(deadline))
        except (TimeoutError, asyncio.TimeoutError) as error:
            if isinstance(error, DeadlineExceededError):
                raise
            future.cancel()
            raise DeadlineExceededError("the timeout passed before the result was there") from None


def _take_back(reading: ThreadFuture[Any]) -> None:
    """What was submitted by the time that nobody wanted it any more."""
    if not reading.cancelled() and reading.exception() is None:
        reading.result().cancel()
