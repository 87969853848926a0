"""One input on its way through a guarded model."""

from __future__ import annotations

import time
from typing import Any, Protocol

from safeasr.calls.os_threads import require_unheld
from safeasr.calls.promise import Promise
from safeasr.families.terms import Terms
from safeasr.guarded.messages import Request
from safeasr.pipeline.runs import Runs

__all__ = ["Home", "Job"]


class Home(Protocol):
    """What a job tells of itself."""

    lock: Any
    runs: Runs

    def cancelled(self, job: Job) -> None:
        """It was cancelled while it waited."""

    def look(self) -> None:
        """It runs, and nobody wants it any more."""


class Job(Promise):
    """The ticket of a request.

    Attributes:
        request: what is asked.
        terms: on which it was submitted.
        arrived: when.
        began: when it began to run; None before that.
        over: whether it has ended, in whatever way.
        unwanted: since when nobody wants it any more, although it runs; None: it is wanted.
    """

    def __init__(self, pool: Home, request: Request, terms: Terms) -> None:
        """It has not been queued yet."""
        super().__init__()
        self._pool = pool
        self.request = request
        self.terms = terms
        self.arrived = time.monotonic()
        self.began: float | None = None
        self.over = False
        self.unwanted: float | None = None

    def require_elsewhere(self) -> None:
        """It cannot be waited for in a handler that interrupted what all jobs need."""
        require_unheld(self._pool.lock)
        self._pool.runs.require_elsewhere()

    def cancel(self) -> bool:
        """Take it back, unless it runs: that it is unwanted is noted then."""
        if super().cancel():
            self._pool.cancelled(self)
            return True
        if not self.finished():
            self.unwanted = time.monotonic()
            self._pool.look()
        return False

    @property
    def turn(self) -> tuple[bool, float]:
        """The smallest is next: live ones before all others, and then who came first."""
        return not self.terms.live, self.arrived

    def late(self, now: float) -> bool:
        """Whether its time is over."""
        return self.terms.deadline is not None and now >= self.terms.deadline
