"""Waiting for what must come; fails after a time that is long enough on any machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["until", "until_async"]

_SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    """Wait in a thread."""
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


async def until_async(condition: Callable[[], bool]) -> None:
    """Wait on an event loop."""
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)
