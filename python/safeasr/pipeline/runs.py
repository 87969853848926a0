"""The pipelines of a model that are under way: how many at most, and the end of all of them."""

from __future__ import annotations

from collections.abc import Callable

from safeasr._extension import _ext
from safeasr.calls.os_threads import allocate_rlock, require_unheld
from safeasr.calls.promise import Promise
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import require_time
from safeasr.errors import EngineClosedError, InterruptedCallError, QueueFullError
from safeasr.families.terms import Terms
from safeasr.pipeline.steps import SideRun, Steps

__all__ = ["BoundedRun", "Runs", "still_wanted"]


class Runs:
    """The runs of a model that are under way: so that they are bounded, and ``close`` can drain."""

    def __init__(self, limit: int | None = None) -> None:
        """None are under way.

        Args:
            limit: how many :meth:`add_when_there_is_room` lets in at a time; None: any number.
        """
        self._limit = limit
        self._lock = allocate_rlock()
        self._active: set[Promise] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def require_open(self) -> None:
        """Raise EngineClosedError if :meth:`close` was called."""
        if self._closed:
            raise EngineClosedError("the model is closed")

    def require_elsewhere(self) -> None:
        """Raise InterruptedCallError in a signal handler without which no run can end."""
        require_unheld(self._lock)

    def add(self, run: Promise) -> None:
        """Note a run; raises EngineClosedError if none may come any more."""
        with self._lock:
            self.require_open()
            self._active.add(run)

    def remove(self, run: Promise) -> None:
        """Forget a run that has ended."""
        with self._lock:
            self._active.discard(run)

    def add_when_there_is_room(self, run: Promise, wait_s: Callable[[], float | None]) -> None:
        """Note a run as soon as fewer than the limit are under way.

        Args:
            run: what is about to begin.
            wait_s: how long to wait from now on, in seconds; None: as long as it takes.

        Raises:
            QueueFullError: if there was no room in time.
            EngineClosedError: if the model is closed.
        """
        while True:
            with self._lock:
                self.require_open()
                if self._limit is None or len(self._active) < self._limit:
                    self._active.add(run)
                    return
                first = self._first_elsewhere()
            left = wait_s()
            if left is not None and left <= 0:
                raise QueueFullError(
                    f"the queue is full: {self._limit} recordings are under way (queue_size)"
                )
            if first is None:
                raise InterruptedCallError(
                    "a signal handler interrupted the only recordings that are under way, and "
                    "there is no room for others (queue_size)"
                )
            wait_for(first, 0.05 if left is None else min(left, 0.05))

    def _first_elsewhere(self) -> Promise | None:
        """One that the calling thread is not in the middle of."""
        return next((run for run in tuple(self._active) if not run.runs_here()), None)

    def close(self, *, drain: bool) -> None:
        """Take no more runs; ``drain``: return when those that were accepted have ended."""
        with self._lock:
            self._closed = True
        while drain:
            with self._lock:
                first = self._first_elsewhere()  # what a handler interrupted cannot be waited for
            if first is None:
                return
            wait_for(first)
            self.remove(first)


class BoundedRun(SideRun):
    """A pipeline that waits for room among those that are under way."""

    def __init__(self, steps: Steps, runs: Runs) -> None:
        super().__init__(steps)
        self._runs = runs

    def require_elsewhere(self) -> None:
        """Nor can it be waited for where it could not make room."""
        super().require_elsewhere()
        self._runs.require_elsewhere()

    def ended(self) -> None:
        """Make room for the next."""
        self._runs.remove(self)

    def begun(self, wait_s: Callable[[], float | None]) -> BoundedRun:
        """Itself, begun as soon as there is room; what is refused at once is raised at once.

        Args:
            wait_s: as of :meth:`Runs.add_when_there_is_room`.
        """
        self._runs.add_when_there_is_room(self, wait_s)
        if self.begin():
            self.get()
        return self


def still_wanted(engine: _ext.Engine, terms: Terms) -> Callable[[], None]:
    """Raises once the time is over, or the model closed without waiting for anyone."""

    def check() -> None:
        if engine.closed:
            raise EngineClosedError("the model is closed")
        require_time(terms.deadline)

    return check
