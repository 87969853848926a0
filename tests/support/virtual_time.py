"""An event loop whose clock runs ahead whenever nothing else is to be done: hours take no time, and
what is measured on it is exact however busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")


class _Selector(selectors.SelectSelector):
    ahead = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.ahead += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)
        # Timers count as due a moment early; without this the clock would stand still before them.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return 1000.0 + self._clock.ahead


def run_in_virtual_time(
    monkeypatch: pytest.MonkeyPatch, main: Coroutine[Any, Any, Result]
) -> Result:
    """Run it to its end; :func:`time.monotonic` is the loop's clock meanwhile."""
    loop = _Loop()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", loop.time)
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()
