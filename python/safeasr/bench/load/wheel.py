"""Waking many sessions on time with few timers."""

from __future__ import annotations

import asyncio
import math

__all__ = ["GRID_S", "Wheel"]

#: Moments on this grid share a timer; to wake up costs more than to send a chunk.
GRID_S = 0.01


class Wheel:
    """Wakes all that wait for the same moment together.

    Args:
        origin: moment from which the grid is counted, by :func:`time.monotonic`.
    """

    def __init__(self, origin: float) -> None:
        self._origin = origin
        self._slots: dict[int, list[asyncio.Future[None]]] = {}

    def on_grid(self, moment: float) -> float:
        """The next moment that shares its timer with others."""
        return self._origin + math.ceil((moment - self._origin) / GRID_S - 1e-6) * GRID_S

    async def until(self, moment: float) -> None:
        """Wait for a moment; one that is not on the grid has a timer of its own."""
        loop = asyncio.get_running_loop()
        if moment <= loop.time():
            return
        slot = round((moment - self._origin) / GRID_S)
        if abs(slot * GRID_S + self._origin - moment) > 1e-6:
            await asyncio.sleep(moment - loop.time())
            return
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = []
            loop.call_at(moment, self._wake, slot)
        turn = loop.create_future()
        waiting.append(turn)
        await turn

    def _wake(self, slot: int) -> None:
        for turn in self._slots.pop(slot):
            if not turn.done():  # given up meanwhile
                turn.set_result(None)
