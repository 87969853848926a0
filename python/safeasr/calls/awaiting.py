"""Calls from asyncio: neither reading audio nor waiting holds up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from safeasr.calls.future import Future
from safeasr.deadlines import seconds_left
from safeasr.errors import DeadlineExceededError

__all__ = ["start_and_wait"]

_T = TypeVar("_T")


async def start_and_wait(start: Callable[[], Future[_T]], deadline: float | None) -> _T:
    """Submit on another thread, which may have to read audio, then wait for the result.

    Args:
        start: submits; runs on a thread of asyncio's pool.
        deadline: time of the monotonic clock at which the wait ends; None: no limit.

    Raises:
        DeadlineExceededError: if the deadline passed. The future is then cancelled, as it is when
            the task is.
    """
    submitted = asyncio.get_running_loop().run_in_executor(None, start)
    try:
        future = await asyncio.shield(submitted)
    except asyncio.CancelledError:
        submitted.add_done_callback(lambda f: f.exception() is None and f.result().cancel())
        raise
    try:
        return await asyncio.wait_for(future._wait_async(), seconds_left(deadline))
    except (TimeoutError, asyncio.TimeoutError) as error:
        if isinstance(error, DeadlineExceededError):
            raise
        future.cancel()
        raise DeadlineExceededError("the timeout passed before the result was there") from None
