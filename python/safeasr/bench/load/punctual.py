"""An event loop that wakes to the fraction of a millisecond, as a schedule of requests needs it."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys
from collections.abc import Coroutine
from typing import Any

__all__ = ["run_punctually"]


def run_punctually(main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, as :func:`asyncio.run` does.

    Linux's epoll counts in whole milliseconds, rounded up, so that asyncio's timers come half a
    millisecond late on the average, which a latency counted from the schedule would include.
    """
    if sys.platform != "linux" or sys.version_info < (3, 11):  # no epoll, or no Runner
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(main)


def _loop() -> asyncio.AbstractEventLoop:
    class Punctual(selectors.EpollSelector):
        def select(self, timeout: float | None = None) -> list[Any]:
            if timeout is None or timeout <= 0:
                return super().select(timeout)
            # To select(), which counts in microseconds, the whole epoll is one descriptor.
            select.select([self.fileno()], (), (), timeout)
            return super().select(0)

    return asyncio.SelectorEventLoop(Punctual())
